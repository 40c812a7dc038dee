from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.bundle import (
    IMAGE_SIGNATURE,
    MANIFEST,
    MOST_SIGNATURE_BYTES,
    SIGNATURE,
    Bundle,
    canonical_json,
    read_bundle,
    write_bundle,
)
from edgeq.errors import ArtifactError, EdgeqError, UsageError

MEMBERS = {"model.tflite": b"model", "interface.json": b"{}\n", "golden.cbor": b"\xa0"}
FACTS = {"name": "tiny", "target": "rpi4", "arch": "aarch64", "mode": "static_wi8_ai8", "note": "ä"}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "out" / "tiny-rpi4", MEMBERS, FACTS)


def _change(bundle: Bundle, **changes: Any) -> None:
    bundle.path(MANIFEST).write_bytes(canonical_json({**bundle.manifest, **changes}))


def test_what_was_written_is_read(bundle: Bundle) -> None:
    again = read_bundle(bundle.folder)
    assert again == bundle
    assert again.digest == hashlib.sha256(bundle.path(MANIFEST).read_bytes()).hexdigest()
    assert (again.name, again.target) == ("tiny", "rpi4")
    assert again.files["model.tflite"] == (hashlib.sha256(b"model").hexdigest(), 5)
    assert [path.name for path in bundle.folder.parent.iterdir()] == ["tiny-rpi4"], "nothing is left beside it"


def test_the_manifest_is_canonical(bundle: Bundle, tmp_path: Path) -> None:
    text = bundle.path(MANIFEST).read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    shuffled = dict(reversed(FACTS.items()))
    other = write_bundle(tmp_path / "other", dict(reversed(MEMBERS.items())), shuffled)
    assert other.digest == bundle.digest


def test_a_bundle_is_replaced_and_nothing_else_is(bundle: Bundle, tmp_path: Path) -> None:
    newer = write_bundle(bundle.folder, {**MEMBERS, "model.tflite": b"newer"}, FACTS)
    assert read_bundle(bundle.folder).digest == newer.digest != bundle.digest
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is not a bundle"):
        write_bundle(precious, MEMBERS, FACTS)
    assert (precious / "thesis.txt").is_file()


@pytest.mark.parametrize(
    "name", ["../evil", ".hidden", "-rf", "a/b", "", "a" * 65, MANIFEST, SIGNATURE, IMAGE_SIGNATURE, "ä"]
)
def test_names_of_members_are_limited(tmp_path: Path, bundle: Bundle, name: str) -> None:
    with pytest.raises(UsageError):
        write_bundle(tmp_path / "bad", {**MEMBERS, name: b""}, FACTS)
    _change(bundle, files={**bundle.manifest["files"], name: {"sha256": "0" * 64, "size": 0}})
    with pytest.raises(ArtifactError, match="breaks the schema"):
        read_bundle(bundle.folder)


def test_every_damage_is_told(bundle: Bundle) -> None:
    path = bundle.path("model.tflite")
    for data, words in [
        (b"Model", "'model.tflite' .* is not what"),
        (b"mode", "is not what"),
        (b"model2", "is larger"),
    ]:
        path.write_bytes(data)
        with pytest.raises(ArtifactError, match=words):
            read_bundle(bundle.folder)
    path.unlink()
    with pytest.raises(ArtifactError, match=r"'model\.tflite' .* is missing"):
        read_bundle(bundle.folder)
    path.mkdir()
    with pytest.raises(ArtifactError, match=r"'model\.tflite' .*"):
        read_bundle(bundle.folder)
    path.rmdir()
    path.write_bytes(b"model")
    (bundle.folder / "extra.sh").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"'extra\.sh', which its manifest does not name"):
        read_bundle(bundle.folder)


def test_a_signature_lies_beside_the_manifest_and_is_no_part_of_the_digest(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle.envelope is None
    bundle.path(SIGNATURE).write_bytes(b"signed")
    bundle.path(IMAGE_SIGNATURE).write_bytes(b"signed too")
    again = read_bundle(bundle.folder)
    assert (again.digest, again.files, again.envelope) == (bundle.digest, bundle.files, b"signed")
    with bundle.path(SIGNATURE).open("wb") as file:
        file.truncate(MOST_SIGNATURE_BYTES + 1)
    with pytest.raises(ArtifactError, match="is larger than it may be"):
        read_bundle(bundle.folder)
    bundle.path(SIGNATURE).unlink()
    bundle.path(SIGNATURE).symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="is a symbolic link"):
        read_bundle(bundle.folder)


def test_links_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"model")
    bundle.path("model.tflite").unlink()
    bundle.path("model.tflite").symlink_to(outside)
    with pytest.raises(ArtifactError, match="is a symbolic link"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "has schema 2; this edgeq knows 1"),
        ({"schema": "1"}, "is not the manifest of a bundle"),
        ({"kind": "other"}, "is not the manifest of a bundle"),
        ({"name": 7}, "breaks the schema"),
        ({"files": {}}, r"does not name 'model\.tflite'"),
        ({"files": []}, "breaks the schema"),
        ({"files": {"model.tflite": {"sha256": "x", "size": 5}}}, "breaks the schema"),
        ({"files": {"model.tflite": {"sha256": "0" * 64, "size": -1}}}, "breaks the schema"),
        ({"files": {"model.tflite": {"sha256": "0" * 64, "size": True}}}, "breaks the schema"),
    ],
)
def test_a_manifest_that_breaks_the_schema_is_told(bundle: Bundle, changes: dict[str, Any], words: str) -> None:
    _change(bundle, **changes)
    with pytest.raises(ArtifactError, match=words):
        read_bundle(bundle.folder)


def test_no_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no bundle"):
        read_bundle(tmp_path / "none")
    with pytest.raises(ArtifactError, match=r"'manifest\.json' .* is missing"):
        read_bundle(tmp_path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 400))
def test_a_damaged_manifest_never_breaks_the_reader(bundle: Bundle, noise: bytes, place: int) -> None:
    path = bundle.path(MANIFEST)
    whole = canonical_json(bundle.manifest)
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    try:
        read_bundle(bundle.folder)
    except EdgeqError as error:
        assert error.message
