"""What a hostile host or bundle may ask of staging: nothing unnamed is unpacked, nothing laid out is written over."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle

from edgeq.agent import micro
from edgeq.agent.errors import Refused
from edgeq.agent.staging import stage
from edgeq.agent.store import MOST_FILES, MOST_MANIFEST_BYTES, Store
from edgeq.bundle import Bundle
from edgeq.protocol.status import Status
from edgeq.runtime import MODULES


def silent(_text: str) -> None:
    pass


def put(store: Store, data: bytes) -> str:
    sha = hashlib.sha256(data).hexdigest()
    store.blobs.put(sha, 0, len(data), data)
    return sha


def fill(store: Store, bundle: Bundle, **change: Any) -> str:
    """Every member, and the manifest as `change` leaves it; the digest of that."""
    for name in bundle.files:
        put(store, bundle.path(name).read_bytes())
    return put(store, json.dumps({**bundle.manifest, **change}).encode())


def wheel(text: str = "raise SystemExit") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("ai_edge_litert/__init__.py", text)
    return out.getvalue()


def refused(store: Store, sha: str, wheels: list[str] | None = None, system: str | None = None) -> Refused:
    with pytest.raises(Refused) as no:
        stage(store, sha, wheels or [], silent, system)
    assert len(no.value.reason) < 1000
    assert not store.state.releases
    return no.value


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("system", [None, ""])
def test_a_wheel_that_the_manifest_does_not_name_is_not_unpacked(
    store: Store, bundle: Bundle, system: str | None
) -> None:
    """The manifest is what is signed: whatever else ran would be signed by nobody."""
    sha, strange = fill(store, bundle), put(store, wheel())
    assert refused(store, sha, [strange], system).status == Status.MISMATCH
    assert list((store.root / "runtimes").iterdir()) == []


def test_a_bundle_with_its_own_runtime_takes_no_wheel(store: Store, bundle: Bundle) -> None:
    files = {**bundle.manifest["files"]}
    files[micro.IMAGE] = files[micro.LIBRARY] = files["model.tflite"]
    runtime = {"name": micro.NAME, "version": "1", "threads": 1, "wheels": []}
    sha, strange = fill(store, bundle, files=files, runtime=runtime), put(store, wheel())
    assert refused(store, sha, [strange]).status == Status.MISMATCH


def test_the_same_wheel_a_thousand_times_is_refused(store: Store, tmp_path: Path) -> None:
    strange = put(store, wheel())
    bundle = make_bundle(tmp_path / "b", wheels=[{"sha256": strange, "file": "x.whl", "size": 1}])
    assert refused(store, fill(store, bundle), [strange] * 1000).status == Status.INVALID


@pytest.mark.parametrize(
    "name", ["release.json.part", "signature.json.part", "MANIFEST.json", "..", "a\0b", "é", ".x", ""]
)
def test_no_member_has_a_name_of_the_device_or_of_nothing(store: Store, bundle: Bundle, name: str) -> None:
    files = {**bundle.manifest["files"], name: bundle.manifest["files"]["model.tflite"]}
    assert refused(store, fill(store, bundle, files=files)).status == Status.INVALID
    model = store.blobs.path(bundle.files["model.tflite"][0])
    assert model.read_bytes() == bundle.path("model.tflite").read_bytes()


def test_names_that_some_file_systems_take_for_one_are_refused(store: Store, bundle: Bundle) -> None:
    files = {**bundle.manifest["files"], "Model.tflite": bundle.manifest["files"]["golden.cbor"]}
    assert refused(store, fill(store, bundle, files=files)).status == Status.INVALID


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 70_000},
        {"name": "\ud800"},
        {"name": "a\nb"},
        {"arch": "y" * 70_000},
        {"arch": "\ud800"},
        {"security_version": 1 << 32},
        {"security_version": [0] * 50_000},
        {"runtime": {"name": "x" * 70_000, "version": "1", "threads": 1, "wheels": []}},
    ],
    ids=lambda change: f"{next(iter(change))}-{str(next(iter(change.values())))[:8]!a}",
)
def test_texts_that_would_fit_into_no_answer_are_refused(store: Store, bundle: Bundle, change: dict[str, Any]) -> None:
    assert refused(store, fill(store, bundle, **change)).status == Status.INVALID


def test_a_manifest_is_not_read_into_memory_whatever_its_length(store: Store) -> None:
    sha = put(store, b"[" * (MOST_MANIFEST_BYTES + 1))
    assert "bytes" in refused(store, sha).reason
    assert refused(store, put(store, b"[" * 100_000)).status == Status.INVALID


def test_a_bundle_of_very_many_files_is_refused_before_one_is_laid_out(store: Store, bundle: Bundle) -> None:
    entry = bundle.manifest["files"]["model.tflite"]
    files = {**bundle.manifest["files"], **{f"f{i}": entry for i in range(MOST_FILES)}}
    assert refused(store, fill(store, bundle, files=files)).status == Status.INVALID
    assert list((store.root / "releases").iterdir()) == []


def test_where_there_are_no_hard_links_space_is_asked_for(
    store: Store, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: Any) -> None:
        raise OSError(1, "no links here")

    asked: list[int] = []
    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(store.blobs, "need_space", asked.append)
    sha = fill(store, bundle)
    asked.clear()
    stage(store, sha, [], silent)
    assert sum(asked) == sum(size for _, size in bundle.files.values()) + store.blobs.path(sha).stat().st_size


def test_a_release_whose_facts_are_damaged_is_laid_out_anew(store: Store, bundle: Bundle) -> None:
    sha = fill(store, bundle)
    stage(store, sha, [], silent)
    (store.root / "releases/1/release.json").write_text("{")
    fill(store, bundle)
    assert stage(store, sha, [], silent)["n"] == 2


def test_what_serves_keeps_its_runtime_where_none_is_asked_for(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "place" / MODULES[0]).mkdir(parents=True)
    sha = fill(store, bundle)
    assert stage(store, sha, [], silent, str(tmp_path / "place"))["n"] == 1
    assert stage(store, sha, [], silent)["n"] == 2, "it does not serve, and another runtime is meant"
    with store.change() as state:
        state.current = 1
    assert stage(store, sha, [], silent, envelope=b"signed")["n"] == 1
    assert (store.envelope(1), store.envelope(2)) == (b"signed", None)
    assert stage(store, sha, [], silent)["n"] == 1
    assert store.envelope(1) == b"signed", "no signatures replace none"


def test_what_another_deploy_left_half_sent_goes_with_the_blobs(store: Store, bundle: Bundle) -> None:
    store.blobs.put("a" * 64, 0, 100, b"half")
    sha = fill(store, bundle)
    stage(store, sha, [], silent)
    assert list((store.root / "incoming").iterdir()) == []
    assert store.blobs.put("a" * 64, 0, 100, b"half") == 4
    store.blobs.close_part()
