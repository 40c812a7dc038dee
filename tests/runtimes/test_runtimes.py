"""The lock of runtime wheels, the choice of those that fit a device, and how they are fetched."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq import runtimes
from edgeq.errors import ArtifactError, DeviceError, UsageError
from edgeq.host.paths import home
from edgeq.protocol.status import Status
from edgeq.runtimes import WHEELED, Wheel, fetch, locked, parse_file, pick, read_wheel, wheels_for
from edgeq.target import all_targets

LITERT = ("ai-edge-litert", "2.3.0")


@pytest.mark.parametrize(
    ("file", "name", "python", "arch", "glibc"),
    [
        ("ai_edge_litert-2.3.0-cp311-cp311-manylinux_2_27_aarch64.whl", "ai-edge-litert", "cp311", "aarch64", "2.27"),
        ("numpy-2.2.6-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "numpy", "cp310", "x86_64", "2.17"),
        ("tflite_runtime-2.14.0-cp39-cp39-manylinux2014_x86_64.whl", "tflite-runtime", "cp39", "x86_64", "2.17"),
        ("tflite_runtime-2.14.0-cp39-cp39-manylinux_2_34_armv7l.whl", "tflite-runtime", "cp39", "armv7l", "2.34"),
        ("x-1-cp313-cp313-manylinux1_x86_64.manylinux_2_28_x86_64.whl", "x", "cp313", "x86_64", "2.5"),
    ],
)
def test_a_file_name_says_what_the_device_must_be(file: str, name: str, python: str, arch: str, glibc: str) -> None:
    said = parse_file(file)
    assert (said["name"], said["python"], said["arch"], said["glibc"]) == (name, python, arch, glibc)


@pytest.mark.parametrize(
    "file",
    [
        "numpy-2.2.6.tar.gz",
        "six-1.17.0-py2.py3-none-any.whl",
        "numpy-2.2.6-cp311-cp311-musllinux_1_2_aarch64.whl",
        "numpy-2.2.6-cp311-cp311-win_amd64.whl",
        "numpy-2.2.6-cp311-cp311-manylinux2014_x86_64.manylinux2014_aarch64.whl",
        "../numpy-2.2.6-cp311-cp311-manylinux2014_x86_64.whl",
        "",
    ],
)
def test_other_file_names_are_refused(file: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_file(file)


def test_every_entry_of_the_lock_is_sound_and_names_no_address() -> None:
    files = [wheel for wheels in locked().values() for wheel in wheels]  # read_wheel holds each to its own file name
    assert len({wheel.file for wheel in files}) == len(files)
    assert len({wheel.sha256 for wheel in files}) == len(files)
    assert all(1_000_000 < wheel.size < 100_000_000 for wheel in files)
    assert "://" not in runtimes.LOCK.read_text(encoding="utf-8")


@pytest.mark.parametrize("arch", ["aarch64", "x86_64"])
def test_the_lock_has_litert_and_numpy_for_every_supported_python(arch: str) -> None:
    have = {(entry["name"], entry["python"]) for entry in wheels_for(*LITERT, arch)}
    assert have == {(name, f"cp3{minor}") for name in ("ai-edge-litert", "numpy") for minor in range(10, 14)}


def test_every_linux_target_that_ships_has_its_runtime_in_the_lock() -> None:
    for profile in all_targets():
        if profile.kind == "linux" and profile.runtime.name in WHEELED:
            assert wheels_for(profile.runtime.name, profile.runtime.version, profile.cpu.arch)


def test_manifest_entries_have_the_documented_keys() -> None:
    assert list(wheels_for(*LITERT, "aarch64")[0]) == ["name", "version", "python", "glibc", "file", "sha256", "size"]


@pytest.mark.parametrize(("version", "arch"), [("9.9.9", "aarch64"), ("2.3.0", "riscv64")])
def test_an_unknown_runtime_is_refused_by_naming_what_there_is(version: str, arch: str) -> None:
    with pytest.raises(UsageError, match=f"no wheels of the runtime ai-edge-litert {version} for {arch}") as caught:
        wheels_for("ai-edge-litert", version, arch)
    assert "ai-edge-litert 2.3.0 for aarch64" in caught.value.hint


@pytest.mark.parametrize("arch", ["aarch64", "x86_64"])
@pytest.mark.parametrize(
    ("python", "tag"), [("3.10.0", "cp310"), ("3.11.2", "cp311"), ("3.12.9", "cp312"), ("3.13.0rc1", "cp313")]
)
@pytest.mark.parametrize("glibc", ["2.27", "2.36", "3.0"])
def test_pick_takes_one_wheel_per_package(arch: str, python: str, tag: str, glibc: str) -> None:
    chosen = pick(wheels_for(*LITERT, arch), python=python, glibc=glibc)
    assert [(wheel.name, wheel.python, wheel.arch) for wheel in chosen] == [
        ("ai-edge-litert", tag, arch),
        ("numpy", tag, arch),
    ]


@pytest.mark.parametrize(
    ("python", "glibc", "message"),
    [
        ("3.9.2", "2.31", "ai-edge-litert 2.3.0 has wheels for Python 3.10-3.13; the device has 3.9."),
        ("3.14.0", "2.41", "ai-edge-litert 2.3.0 has wheels for Python 3.10-3.13; the device has 3.14."),
        ("3.11.2", "2.26", "ai-edge-litert 2.3.0 for Python 3.11 needs glibc 2.27 or newer; the device has 2.26."),
        ("3.11.2", "2.9", "ai-edge-litert 2.3.0 for Python 3.11 needs glibc 2.27 or newer; the device has 2.9."),
        ("3.11.2", "", "The device does not say which glibc it has (it says '')."),
        ("PyPy", "2.36", "The device does not say which Python it has (it says 'PyPy')."),
    ],
)
def test_pick_says_what_is_missing_and_what_exists(python: str, glibc: str, message: str) -> None:
    with pytest.raises(DeviceError) as caught:
        pick(wheels_for(*LITERT, "aarch64"), python=python, glibc=glibc)
    assert caught.value.message == message
    assert caught.value.status == Status.MISMATCH
    assert caught.value.hint


def test_pick_takes_the_newest_glibc_that_fits() -> None:
    def entry(minor: int) -> dict[str, object]:
        file = f"x-1-cp311-cp311-manylinux_2_{minor}_aarch64.whl"
        return {
            "name": "x",
            "version": "1",
            "python": "cp311",
            "glibc": f"2.{minor}",
            "file": file,
            "sha256": "0" * 64,
            "size": 1,
        }

    assert [wheel.glibc for wheel in pick([entry(28), entry(17), entry(39)], python="3.11.2", glibc="2.36")] == ["2.28"]


def test_python_lists_with_gaps_are_listed() -> None:
    assert runtimes._range([(3, 9), (3, 11)]) == "3.9, 3.11"
    assert runtimes._range([(3, 9)]) == "3.9"


@given(
    st.sampled_from(["name", "version", "python", "glibc", "file", "sha256", "size"]),
    st.one_of(st.none(), st.integers(), st.text()),
)
def test_a_damaged_manifest_entry_is_refused(key: str, value: object) -> None:
    entry = wheels_for(*LITERT, "aarch64")[0]
    if key == "size" and isinstance(value, int) and value > 0:
        value = -value
    with pytest.raises(ArtifactError, match="damaged"):
        read_wheel({**entry, key: value})


# Fetching: pip itself, over a folder of small wheels made here.


def _make_wheel(folder: Path, arch: str = "aarch64", body: bytes = b"x = 1\n") -> Wheel:
    """A real wheel of a package that no index has, for some device that is not this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    platform = f"manylinux_2_28_{arch}"
    path = folder / f"edgeq_fake_runtime-1.0-cp311-cp311-{platform}.whl"
    info = "edgeq_fake_runtime-1.0.dist-info"
    members = {
        "edgeq_fake_runtime.py": body,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: edgeq-fake-runtime\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-{platform}\n".encode(),
    }
    rows = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in members.items()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()}.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    data = path.read_bytes()
    return Wheel(
        "edgeq-fake-runtime", "1.0", "cp311", arch, "2.28", path.name, hashlib.sha256(data).hexdigest(), len(data)
    )


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip configured, as a user would, to look at one folder and at nothing else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("EDGEQ_OFFLINE", raising=False)
    return tmp_path / "index"


def test_fetch_uses_the_users_pip_then_the_cache(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel, lines = _make_wheel(index), list[str]()
    path = fetch(wheel, progress=lines.append)
    assert path == home() / "wheels" / wheel.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wheel.sha256
    assert len(lines) == 1
    assert wheel.file in lines[0]
    monkeypatch.setenv("EDGEQ_OFFLINE", "1")
    assert fetch(wheel, progress=lines.append) == path
    assert len(lines) == 1
    assert [entry.name for entry in path.parent.iterdir() if not entry.name.endswith(".lock")] == [wheel.file]


def test_several_fetches_at_once_download_once(index: Path) -> None:
    wheel, lines = _make_wheel(index), list[str]()
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: fetch(wheel, progress=lines.append), range(4)))
    assert len(paths) == 1
    assert len(lines) == 1


def test_a_damaged_cache_is_mended(index: Path) -> None:
    wheel = _make_wheel(index)
    path = home() / "wheels" / wheel.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"?" * wheel.size)
    assert fetch(wheel) == path
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wheel.sha256


def test_offline_says_which_wheel_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEQ_OFFLINE", "1")
    wheel = _make_wheel(tmp_path)
    with pytest.raises(UsageError, match=wheel.file) as caught:
        fetch(wheel)
    assert "without EDGEQ_OFFLINE" in caught.value.hint


def test_another_file_under_the_same_name_is_refused(index: Path) -> None:
    wheel = _make_wheel(index)
    _make_wheel(index, body=b"x = 2\n")
    with pytest.raises(ArtifactError, match="is not the file that was pinned"):
        fetch(wheel)
    assert not (home() / "wheels" / wheel.file).exists()


def test_a_wheel_that_no_index_has_is_one_clear_sentence(index: Path) -> None:
    wheel = _make_wheel(index)
    (index / wheel.file).unlink()
    with pytest.raises(UsageError, match=f"pip cannot fetch {wheel.file}: No matching distribution"):
        fetch(wheel)


def test_a_python_without_pip_is_one_clear_sentence(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(bare))
    with pytest.raises(UsageError, match="this Python has no pip") as caught:
        fetch(_make_wheel(index))
    assert "ensurepip" in caught.value.hint


def test_pip_has_a_deadline(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(slow))
    monkeypatch.setattr(runtimes, "PIP_DEADLINE_S", 0.2)
    with pytest.raises(UsageError, match="did not fetch"):
        fetch(_make_wheel(index))


def test_a_path_in_a_wheels_name_reaches_no_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="damaged"):
        fetch(replace(_make_wheel(tmp_path), file="../x.whl"))


@pytest.mark.slow
def test_the_pinned_runtime_can_really_be_fetched() -> None:
    numpy = next(
        wheel for wheel in pick(wheels_for(*LITERT, "aarch64"), python="3.11.2", glibc="2.36") if wheel.name == "numpy"
    )
    try:
        path = fetch(numpy)
    except UsageError as error:
        pytest.skip(f"the package index cannot be reached: {error.message}")
    assert zipfile.ZipFile(path).testzip() is None
