"""Runtime wheels: the host chooses those that fit a device, pinned by digest, so that the device needs no internet.

`runtimes.toml` beside this module is the lock, written by `scripts/lock_runtimes.py`: every wheel of every runtime that
edgeq pushes. A manifest has those of its architecture; `pick` chooses by what the device says, `fetch` gets them.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from edgeq.errors import ArtifactError, DeviceError, UsageError
from edgeq.host.lock import locked as file_locked
from edgeq.host.paths import home, offline
from edgeq.protocol.status import Status
from edgeq.units import format_bytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK = Path(__file__).with_name("runtimes.toml")
WHEELED = ("ai-edge-litert", "tflite-runtime")
"""The runtimes that come as wheels."""
PIP_DEADLINE_S = 900.0
WAIT_S = 2 * PIP_DEADLINE_S
"""The longest wait for another process that fetches the same wheel."""
_MANYLINUX = re.compile(r"manylinux_(?P<major>\d+)_(?P<minor>\d+)_(?P<arch>\w+)")
_LEGACY = {"manylinux1": "manylinux_2_5", "manylinux2010": "manylinux_2_12", "manylinux2014": "manylinux_2_17"}
_FILE = re.compile(
    r"(?P<name>[A-Za-z0-9_]+)-(?P<version>[A-Za-z0-9_.!+]+)-(?P<python>cp3\d+)-(?P<abi>cp3\d+)-(?P<platform>[A-Za-z0-9_.]+)\.whl"
)


@dataclass(frozen=True)
class Wheel:
    """One wheel. `python` is its tag ("cp311"), `glibc` the least version it runs on ("2.27"), `size` in bytes."""

    name: str
    version: str
    python: str
    arch: str
    glibc: str
    file: str
    sha256: str
    size: int


def parse_file(file: str) -> dict[str, str]:
    """What a wheel's file name says: name, version, python, arch, glibc (its oldest), platforms (tags, with commas).

    `ValueError` where it is not the name of a binary wheel for Linux with glibc.
    """
    parts = _FILE.fullmatch(file)
    if parts is None:
        raise ValueError(f"'{file}' is not the file name of a binary wheel")
    tags = parts["platform"].split(".")
    found = [_MANYLINUX.fullmatch(_modern(tag)) for tag in tags]
    platforms = [(int(match["major"]), int(match["minor"]), match["arch"]) for match in found if match]
    if len(platforms) != len(tags) or len({arch for _, _, arch in platforms}) != 1:
        raise ValueError(f"'{file}' is not for one architecture of Linux with glibc")
    major, minor, arch = min(platforms)
    return {
        "name": parts["name"].replace("_", "-").lower(),
        "version": parts["version"],
        "python": parts["python"],
        "arch": arch,
        "glibc": f"{major}.{minor}",
        "platforms": ",".join(tags),
    }


def read_wheel(entry: Mapping[str, Any]) -> Wheel:
    """One entry of a manifest or of the lock, held to its own file name; `ArtifactError` where they disagree."""
    try:
        said = parse_file(entry["file"])
        wheel = Wheel(
            **{
                "arch": said["arch"],
                **{field.name: entry[field.name] for field in fields(Wheel) if field.name in entry},
            }
        )
        for key in ("name", "version", "python", "arch", "glibc"):
            if getattr(wheel, key) != said[key]:
                raise ValueError(f"'{wheel.file}' does not fit its {key} {getattr(wheel, key)!r}")
        if not re.fullmatch(r"[0-9a-f]{64}", wheel.sha256) or not isinstance(wheel.size, int) or wheel.size <= 0:
            raise ValueError(f"the digest or size of '{wheel.file}' is malformed")
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"The list of runtime wheels is damaged: {error}.", "Build the bundle again.") from error
    return wheel


@cache
def locked(path: Path = LOCK) -> dict[tuple[str, str], tuple[Wheel, ...]]:
    """The whole lock: (runtime, version) -> its wheels, in the lock's order."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        (item["name"], item["version"]): tuple(read_wheel(wheel) for wheel in item["wheels"])
        for item in data["runtime"]
    }


def wheels_for(name: str, version: str, arch: str) -> list[dict[str, Any]]:
    """The manifest's `runtime.wheels` for one architecture (docs/bundle.md); `UsageError` names what there is."""
    lock = locked()
    entries = [asdict(wheel) for wheel in lock.get((name, version), ()) if wheel.arch == arch]
    if not entries:
        known = sorted(
            {f"{runtime} {number} for {wheel.arch}" for (runtime, number), wheels in lock.items() for wheel in wheels}
        )
        raise UsageError(
            f"edgeq has no wheels of the runtime {name} {version} for {arch}.", f"It has {', '.join(known)}."
        )
    for entry in entries:
        del entry["arch"]  # the manifest says it once, and every file name says it too
    return entries


def pick(wheels: Sequence[Mapping[str, Any]], *, python: str, glibc: str) -> list[Wheel]:
    """One wheel per package for a device that says `python` ("3.11.2") and `glibc` ("2.36"), in the manifest's order.

    `DeviceError` says what is missing and what exists.
    """
    candidates = [read_wheel(entry) for entry in wheels]
    has_python, has_glibc = _device_version("Python", python), _device_version("glibc", glibc)
    device_python, device_glibc = _dotted(has_python), _dotted(has_glibc)
    chosen = []
    for name in dict.fromkeys(wheel.name for wheel in candidates):
        own = [wheel for wheel in candidates if wheel.name == name]
        title = f"{name} {own[0].version}"
        tagged = [wheel for wheel in own if _python(wheel) == has_python]
        if not tagged:
            exist = _range(sorted({_python(wheel) for wheel in own}))
            raise DeviceError(
                f"{title} has wheels for Python {exist}; the device has {device_python}.",
                f"Install Python {exist} on the device, or build for a runtime that has wheels for {device_python}.",
                Status.MISMATCH,
            )
        fitting = [wheel for wheel in tagged if _version(wheel.glibc) <= has_glibc]
        if not fitting:
            oldest = _dotted(min(_version(wheel.glibc) for wheel in tagged))
            raise DeviceError(
                f"{title} for Python {device_python} needs glibc {oldest} or newer; the device has {device_glibc}.",
                "Upgrade the device's operating system, or build for an older runtime.",
                Status.MISMATCH,
            )
        chosen.append(max(fitting, key=lambda wheel: (_version(wheel.glibc), wheel.file)))
    return chosen


def fetch(wheel: Wheel, *, progress: Callable[[str], None] = lambda _: None) -> Path:
    """The wheel's file, size and SHA-256 checked: from the cache in `EDGEQ_HOME`, else with pip as the user set it up.

    Safe to call from several processes and threads at once. `UsageError` with `EDGEQ_OFFLINE=1`, without pip, or where
    pip cannot get it; `ArtifactError` where pip got something else.
    """
    wheel = read_wheel(asdict(wheel))
    folder = home() / "wheels"
    path = folder / wheel.file
    if _is(path, wheel):
        return path
    if offline():
        raise UsageError(
            f"The wheel {wheel.file} is not in {folder}, and EDGEQ_OFFLINE is set.",
            "Run 'edgeq fetch --target NAME' once without EDGEQ_OFFLINE.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with (
        file_locked(folder / f".{wheel.file}.lock", WAIT_S),
        tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part,
    ):
        if not _is(path, wheel):
            progress(f"Fetching {wheel.file} ({format_bytes(wheel.size)})")
            _download(wheel, Path(part))
            (Path(part) / wheel.file).replace(path)
    return path


def pip_download(python: str, platforms: Sequence[str], folder: Path) -> list[str]:
    """The command that has pip put one binary wheel for `python` ("cp311") into `folder`; what is wanted is appended.

    pip prefers the platforms that come first.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--implementation=cp", f"--abi={python}"]
    command += [f"--python-version={python[2:3]}.{python[3:]}", *(f"--platform={tag}" for tag in platforms)]
    return [*command, f"--dest={folder}"]


def _download(wheel: Wheel, folder: Path) -> None:
    """Have pip put exactly this file into `folder`; pip too is held to the digest."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = pip_download(wheel.python, parse_file(wheel.file)["platforms"].split(","), folder)
    command.append(f"--requirement={requirements}")
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PIP_DEADLINE_S
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"pip did not fetch {wheel.file} within {PIP_DEADLINE_S:.0f} s.", "Check the network, then run again."
        ) from error
    if "No module named pip" in done.stderr:
        raise UsageError(
            f"{wheel.file} must be fetched, and this Python has no pip: {sys.executable}.",
            f"Run '{sys.executable} -m ensurepip' or 'uv pip install pip', or put the file into {home() / 'wheels'}.",
        )
    if done.returncode and "DO NOT MATCH THE HASHES" not in done.stderr:
        raise UsageError(
            f"pip cannot fetch {wheel.file}: {_last_error(done.stderr)}", "Check the network and pip's configuration."
        )
    if not _is(folder / wheel.file, wheel):
        raise ArtifactError(
            f"What pip fetched as {wheel.file} is not the file that was pinned (sha256 {wheel.sha256}).",
            "Check which package index pip is configured for.",
        )


def _modern(tag: str) -> str:
    """`manylinux2014_aarch64` -> `manylinux_2_17_aarch64`; other tags as they are (PEP 600)."""
    policy, _, arch = tag.partition("_")
    return f"{_LEGACY.get(policy, policy)}_{arch}"


def _last_error(stderr: str) -> str:
    """pip's own reason, in one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it gave no reason."])[-1]


def _is(path: Path, wheel: Wheel) -> bool:
    """Whether the file is there, whole and the one that was pinned."""
    try:
        if path.stat().st_size != wheel.size:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == wheel.sha256


def _device_version(what: str, said: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", said)
    if match is None:
        raise DeviceError(
            f"The device does not say which {what} it has (it says '{said}').",
            "The runtime's wheels need CPython and glibc: use for example Debian, Ubuntu or Raspberry Pi OS.",
            Status.MISMATCH,
        )
    return int(match[1]), int(match[2])


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def _python(wheel: Wheel) -> tuple[int, int]:
    """`cp311` -> (3, 11)."""
    return int(wheel.python[2]), int(wheel.python[3:])


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _range(versions: Sequence[tuple[int, int]]) -> str:
    """`3.10-3.13` where they follow one another, else a list."""
    first, last = versions[0], versions[-1]
    if len(versions) > 1 and list(versions) == [(first[0], minor) for minor in range(first[1], last[1] + 1)]:
        return f"{_dotted(first)}-{_dotted(last)}"
    return ", ".join(_dotted(version) for version in versions)
