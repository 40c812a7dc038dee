"""Target profiles: what one kind of hardware is and can hold, read from one TOML file.

A profile is found by name or alias (case-insensitive) in `./targets`, in the folders of `EDGEQ_TARGET_PATH`,
in `~/.config/edgeq/targets`, then among those that ship with edgeq. The engine never names a chip; it asks the profile.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.errors import TargetError
from edgeq.paths import shipped

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA = 1
KINDS = ("linux", "android", "mcu")
EVIDENCE = ("emulated", "compiled", "hardware")
MODES = ("static_wi8_ai8",)
ARCHITECTURES = ("aarch64", "armv7l", "armv6l", "x86_64", "armv7e-m", "armv8-m", "rv32", "xtensa")


@dataclass(frozen=True)
class Cpu:
    """`arch` as `uname -m` says it on Linux; `clock_hz` is the nominal maximum."""

    arch: str
    core: str
    cores: int
    clock_hz: int
    features: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Memory:
    """Bytes. `ram_reserved_bytes` is what the system keeps; `flash_bytes` is 0 where storage is a file system."""

    ram_bytes: int
    ram_reserved_bytes: int
    flash_bytes: int
    source: str


@dataclass(frozen=True)
class Runtime:
    """What executes models there. `kernels` is the kernel family that golden vectors are made with;
    `golden_tolerance` is the largest accepted difference of one output element, in output steps (LSB)."""

    name: str
    version: str
    kernels: str
    threads: int
    modes: tuple[str, ...]
    golden_tolerance: int
    source: str


@dataclass(frozen=True)
class Power:
    """Tier 0 coefficients: board power under load in mW with a relative error in percent."""

    active_mw: float
    error_pct: float
    supply_v: float
    source: str


@dataclass(frozen=True)
class TargetProfile:
    """One kind of hardware. `emulator` names the stand-in of `edgeq/emulate/`, or is empty; `port` is the folder of
    `firmware_stubs/ports/` that a microcontroller's firmware is built from, empty where there is none."""

    name: str
    title: str
    kind: str
    aliases: tuple[str, ...]
    evidence: str
    cpu: Cpu
    memory: Memory
    runtime: Runtime
    power: Power | None
    emulator: str
    port: str
    path: Path

    @property
    def ram_free_bytes(self) -> int:
        """What is left of the RAM for a model and its runtime, in bytes."""
        return self.memory.ram_bytes - self.memory.ram_reserved_bytes


class _Table:
    """One TOML table, read key by key, so that every complaint can quote file, key and what was expected."""

    def __init__(self, path: Path, name: str, data: dict[str, Any]) -> None:
        self.path, self.name, self.data, self.seen = path, name, data, set[str]()

    def _where(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def fail(self, key: str, expected: str) -> TargetError:
        got = f"it says {self.data[key]!r}" if key in self.data else "it is missing"
        where = f"{self.path}: '{self._where(key)}'"
        return TargetError(f"{where} must be {expected}; {got}.", "Compare with targets/rpi4.toml.")

    def text(self, key: str, default: str | None = None, choices: tuple[str, ...] = ()) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.fail(key, "a text")
        if choices and value not in choices:
            raise self.fail(key, f"one of {', '.join(choices)}")
        return value

    def texts(self, key: str, default: list[str] | None = None, choices: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self._get(key, default)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, "a list of texts")
        if choices and not set(value) <= set(choices):
            raise self.fail(key, f"made of {', '.join(choices)}")
        return tuple(value)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        value = self._get(key, None)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def table(self, key: str) -> _Table:
        value = self._get(key, None)
        if not isinstance(value, dict):
            raise self.fail(key, "a table")
        return _Table(self.path, self._where(key), value)

    def _get(self, key: str, default: Any) -> Any:
        self.seen.add(key)
        return self.data.get(key, default)

    def done(self) -> None:
        for key in self.data:
            if key not in self.seen:
                near = difflib.get_close_matches(key, sorted(self.seen), 1)
                hint = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(sorted(self.seen))}."
                raise TargetError(f"{self.path}: unknown key '{self._where(key)}'.", hint)


def read_target(path: Path) -> TargetProfile:
    """Read and check one profile; a `TargetError` names the file, the key and what was expected."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TargetError(f"{path}: cannot be read as TOML: {error}.", "Compare with targets/rpi4.toml.") from error
    top = _Table(path, "", data)
    if top.integer("schema", 1, 1_000_000) > SCHEMA:
        raise TargetError(f"{path}: schema {data['schema']} is newer than this edgeq's ({SCHEMA}).", "Upgrade edgeq.")
    if top.text("name") != path.stem:
        raise top.fail("name", f"the file's stem, '{path.stem}'")
    cpu, memory, runtime = top.table("cpu"), top.table("memory"), top.table("runtime")
    profile = TargetProfile(
        name=top.text("name"),
        title=top.text("title"),
        kind=top.text("kind", choices=KINDS),
        aliases=top.texts("aliases", default=[]),
        evidence=top.text("evidence", choices=EVIDENCE),
        cpu=Cpu(
            arch=cpu.text("arch", choices=ARCHITECTURES),
            core=cpu.text("core"),
            cores=cpu.integer("cores", 1, 1024),
            clock_hz=cpu.integer("clock_hz", 0, 10**11),
            features=cpu.texts("features", default=[]),
            source=cpu.text("source"),
        ),
        memory=Memory(
            ram_bytes=memory.integer("ram_bytes", 1, 1 << 50),
            ram_reserved_bytes=memory.integer("ram_reserved_bytes", 0, 1 << 50),
            flash_bytes=memory.integer("flash_bytes", 0, 1 << 50, default=0),
            source=memory.text("source"),
        ),
        runtime=Runtime(
            name=runtime.text("name"),
            version=runtime.text("version"),
            kernels=runtime.text("kernels", choices=("xnnpack", "reference", "edgeq-micro")),
            threads=runtime.integer("threads", 1, 1024),
            modes=runtime.texts("modes", choices=MODES),
            golden_tolerance=runtime.integer("golden_tolerance", 0, 255),
            source=runtime.text("source"),
        ),
        power=_power(top.table("power")) if "power" in data else None,
        emulator=top.text("emulator", default=""),
        port=top.text("port", default=""),
        path=path,
    )
    if profile.memory.ram_reserved_bytes >= profile.memory.ram_bytes:
        raise memory.fail("ram_reserved_bytes", "less than ram_bytes")
    if profile.kind == "mcu" and not profile.memory.flash_bytes:
        raise memory.fail("flash_bytes", "given for a microcontroller")
    for table in (top, cpu, memory, runtime):
        table.done()
    return profile


def _power(table: _Table) -> Power:
    power = Power(
        active_mw=table.number("active_mw", 0, 1e7),
        error_pct=table.number("error_pct", 0, 1000),
        supply_v=table.number("supply_v", 0, 100),
        source=table.text("source"),
    )
    table.done()
    return power


def target_folders() -> list[Path]:
    """Folders that are searched for profiles, first hit wins."""
    extra = [Path(entry) for entry in os.environ.get("EDGEQ_TARGET_PATH", "").split(os.pathsep) if entry]
    folders = [Path("targets"), *extra, Path.home() / ".config" / "edgeq" / "targets", shipped("targets")]
    return [folder for folder in folders if folder.is_dir()]


def all_targets() -> Iterator[TargetProfile]:
    """Every profile that can be found, by name; an earlier folder hides a later one's namesake."""
    paths: dict[str, Path] = {}
    for folder in target_folders():
        for path in folder.glob("*.toml"):
            paths.setdefault(path.stem, path)
    for name in sorted(paths):
        yield read_target(paths[name])


def load_target(name: str) -> TargetProfile:
    """The profile called `name` (or known by that alias); `TargetError` with near names otherwise."""
    for folder in target_folders():
        path = folder / f"{name}.toml"
        if Path(name).name == name and path.is_file():
            return read_target(path)
    known: list[str] = []
    for profile in all_targets():
        if name.lower() in (profile.name.lower(), *(alias.lower() for alias in profile.aliases)):
            return profile
        known += [profile.name, *profile.aliases]
    near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    raise TargetError(f"There is no target '{name}'.", f"{hint}'edgeq targets' lists them all.")
