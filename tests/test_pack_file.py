"""Packing: deterministic, readable by stock tools, and read back strictly; every damage is named."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.agent.eqb import Eqb, EqbError
from edgeq.bundle import Bundle, read_bundle
from edgeq.errors import UsageError
from edgeq.host.paths import home
from edgeq.pack import pack


def wheel(tag: str, data: bytes) -> dict[str, object]:
    """An entry of a manifest, with its file in the cache."""
    file = f"numpy-2.0.0-{tag}-{tag}-manylinux_2_27_x86_64.whl"
    (home() / "wheels").mkdir(parents=True, exist_ok=True)
    (home() / "wheels" / file).write_bytes(data)
    said = {"name": "numpy", "version": "2.0.0", "python": tag, "glibc": "2.27", "file": file}
    return {**said, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path / "tiny-box", wheels=[wheel("cp311", b"eleven"), wheel("cp313", b"thirteen")])


def test_the_same_bundle_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    first, second = pack(bundle), pack(bundle, tmp_path / "deep" / "other.eqb")
    assert first.path == tmp_path / "tiny-box.eqb"
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert (first.size_bytes, first.signed) == (first.path.stat().st_size, False)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".edgeq")] == []


def test_stock_tools_read_it_and_nothing_is_compressed(bundle: Bundle) -> None:
    with zipfile.ZipFile(pack(bundle).path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "manifest.json"
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("manifest.json") == bundle.path("manifest.json").read_bytes()


def test_what_was_packed_is_read_back(bundle: Bundle) -> None:
    with Eqb(pack(bundle).path) as eqb:
        eqb.check()
        assert (eqb.name, eqb.digest, eqb.envelope) == ("tiny", bundle.digest, None)
        named = {name for name in eqb.members if not name.startswith("wheels/")}
        assert named == set(bundle.files)
        member = eqb.members["wheels/numpy-2.0.0-cp313-cp313-manylinux_2_27_x86_64.whl"]
        assert eqb.read(member, 0, 100) == b"thirteen"
        assert eqb.read(member, 4, 2) == b"te"


def test_a_signature_travels(bundle: Bundle) -> None:
    (bundle.folder / "signature.json").write_bytes(b'{"not": "judged here"}')
    done = pack(read_bundle(bundle.folder))
    assert done.signed
    with Eqb(done.path) as eqb:
        assert eqb.envelope == b'{"not": "judged here"}'


@pytest.mark.parametrize(
    ("choice", "files"),
    [({"wheels": False}, 0), ({"python": "3.11"}, 1), ({}, 2)],
)
def test_which_wheels_are_packed(bundle: Bundle, choice: dict[str, object], files: int) -> None:
    done = pack(bundle, **choice)  # type: ignore[arg-type]
    assert len(done.wheels) == files
    with Eqb(done.path) as eqb:
        eqb.check()
        assert sum(name.startswith("wheels/") for name in eqb.members) == files


def test_what_cannot_be_packed_is_said(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no wheels for Python 3\.8") as error:
        pack(bundle, python="3.8")
    assert "3.11, 3.13" in error.value.hint
    with pytest.raises(UsageError, match="cannot be written"):
        pack(bundle, tmp_path / "tiny-box" / "manifest.json" / "x.eqb")
    board = make_bundle(tmp_path / "board", device_files=["model.tflite"])
    with pytest.raises(UsageError, match="a microcontroller"):
        pack(board)


def test_every_cut_is_named(bundle: Bundle, tmp_path: Path) -> None:
    data, path = pack(bundle).path.read_bytes(), tmp_path / "cut.eqb"
    step = max(1, len(data) // 150)
    for length in [*range(0, len(data), step), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(EqbError):
            Eqb(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(EqbError):
        Eqb(path)


@settings(max_examples=400)
@given(st.data())
def test_a_flipped_byte_never_passes_and_never_surprises(data: st.DataObject) -> None:
    sound = _sound()
    spoiled = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 3))):
        # Mostly where the structure is: the directory at the end.
        at = data.draw(st.one_of(st.integers(0, len(sound) - 1), st.integers(len(sound) - 600, len(sound) - 1)))
        spoiled[at] ^= data.draw(st.integers(1, 255))
    path = home() / "spoiled.eqb"
    path.write_bytes(spoiled)
    try:
        with Eqb(path) as eqb:
            eqb.check()
            # What differs is nothing that is used: a time, a permission or the checksum that only others look at.
            assert {name: entry.sha256 for name, entry in eqb.members.items()} == _digests(sound)
    except EqbError as error:
        assert error.reason


_MADE: dict[str, bytes] = {}


def _sound() -> bytes:
    if "bytes" not in _MADE:
        home().mkdir(parents=True, exist_ok=True)
        _MADE["bytes"] = pack(make_bundle(home() / "made"), home() / "made.eqb").path.read_bytes()
    return _MADE["bytes"]


def _digests(sound: bytes) -> dict[str, str]:
    path = home() / "sound.eqb"
    path.write_bytes(sound)
    with Eqb(path) as eqb:
        return {name: entry.sha256 for name, entry in eqb.members.items()}


def rezip(path: Path, change: dict[str, bytes], compress: int = zipfile.ZIP_STORED) -> Path:
    """The same file with other members, as a stock tool would write it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    other = path.with_name("other.eqb")
    with zipfile.ZipFile(other, "w", compress) as archive:
        for name, data in {**members, **change}.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress)
    return other


@pytest.mark.parametrize(
    "spoil",
    [
        lambda runtime: runtime.pop("version"),
        lambda runtime: runtime.update(name=3),
        lambda runtime: runtime["wheels"][0].pop("glibc"),
        lambda runtime: runtime["wheels"][0].update(python=""),
        lambda runtime: runtime["wheels"][0].update(name=[]),
    ],
)
def test_a_runtime_that_cannot_be_judged_is_damage(bundle: Bundle, spoil: Callable[[dict[str, Any]], object]) -> None:
    path = pack(bundle, wheels=False).path
    with Eqb(path) as eqb:
        document = eqb.manifest
    spoil(document["runtime"])
    with pytest.raises(EqbError, match="breaks the schema"):
        Eqb(rezip(path, {"manifest.json": json.dumps(document).encode()}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"../../etc/passwd": b"x"}, "does not name"),
        ({"/abs": b"x"}, "does not name"),
        ({"wheels/../x.whl": b"x"}, "does not name"),
        ({"m\xf6del": b"x"}, "forbidden name"),
        ({"model.tflite": b"short"}, "its manifest says"),
        ({"manifest.json": b"[]"}, "not that of a bundle"),
        ({"manifest.json": b"{"}, "damaged"),
        ({"manifest.json": b"[" * 100_000}, "damaged"),
        ({"manifest.json": b'{"kind": "edgeq-bundle", "schema": 9}'}, "schema 9"),
        ({"manifest.json": b'{"kind": "edgeq-bundle", "schema": 1, "files": {"../x": {}}}'}, "breaks the schema"),
        ({"signature.json": bytes((1 << 20) + 1)}, "signature.json has"),
    ],
)
def test_hostile_files_are_refused(bundle: Bundle, change: dict[str, bytes], said: str) -> None:
    with pytest.raises(EqbError, match=said):
        Eqb(rezip(pack(bundle).path, change))


def test_other_zips_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    path = pack(bundle).path
    with pytest.raises(EqbError, match="compressed"):
        Eqb(rezip(path, {}, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(zipfile.ZipInfo("manifest.json"), b"{}")
    with pytest.raises(EqbError, match="overlap"):
        Eqb(path)
    bomb = tmp_path / "bomb.eqb"
    bomb.write_bytes(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 0, 0, 0))
    with pytest.raises(EqbError, match="directory"):
        Eqb(bomb)
    with pytest.raises(EqbError, match="plain file"):
        Eqb(Path("/dev/zero"))
    with pytest.raises(OSError, match="No such file"):
        Eqb(tmp_path / "absent.eqb")


def test_a_member_that_rotted_is_named(bundle: Bundle, tmp_path: Path) -> None:
    data = bytearray(pack(bundle).path.read_bytes())
    with Eqb(pack(bundle).path) as eqb:
        at = eqb.members["model.tflite"].at
    data[at + 10] ^= 1
    path = tmp_path / "rotten.eqb"
    path.write_bytes(data)
    with Eqb(path) as eqb, pytest.raises(EqbError, match=r"'model\.tflite' is not what"):
        eqb.check()
