"""The project file `edgeq.toml`: defaults for every argument that a command leaves out."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeq.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "edgeq.toml"
_PROJECT_KEYS = ("name", "model", "data", "eval", "labels", "targets", "device", "out", "runs")
_DEVICE_KEYS = ("address", "target")


@dataclass(frozen=True)
class DeviceEntry:
    """One entry of `[devices]`; `target` is empty where the file does not say."""

    name: str
    address: str
    target: str = ""


@dataclass(frozen=True)
class Project:
    """What `edgeq.toml` says; paths are absolute. Outside a project everything is empty."""

    root: Path
    name: str = ""
    model: Path | None = None
    data: Path | None = None
    eval: Path | None = None
    labels: Path | None = None
    targets: tuple[str, ...] = ()
    device: str = ""
    out: Path = Path("build")
    runs: Path = Path("runs")
    devices: Mapping[str, DeviceEntry] = field(default_factory=dict)

    def resolve(self, device: str | None) -> DeviceEntry:
        """A name of `[devices]`, an address, or None for the project's default device."""
        wanted = device or self.device
        if not wanted:
            raise UsageError(
                "No device was given.", "Give one, such as local: or ssh://pi@host, or set device in edgeq.toml."
            )
        if wanted in self.devices:
            return self.devices[wanted]
        if ":" in wanted:
            return DeviceEntry(wanted, wanted)
        near = difflib.get_close_matches(wanted, self.devices, 1)
        hint = (
            f"Did you mean '{near[0]}'?" if near else "Give an address such as ssh://pi@host, or add it to [devices]."
        )
        raise UsageError(f"There is no device '{wanted}' in {FILE}.", hint)

    def bundle(self, entry: DeviceEntry) -> Path:
        """The bundle to deploy to this device when none was named: the one built for its target, or the only one."""
        built = sorted(path.parent for path in self.out.glob("*/manifest.json"))
        fitting = [path for path in built if entry.target and path.name.endswith(f"-{entry.target}")]
        for candidates in (fitting, built):
            if len(candidates) == 1:
                return candidates[0]
        names = ", ".join(path.name for path in built) or "none"
        raise UsageError(f"Which bundle? In {self.out} there are: {names}.", "Name one, or run 'edgeq build' first.")

    def run_path(self, created: str, device: str) -> Path:
        """Where a run goes that nobody gave a place: one file per bench, sorted by time."""
        stamp, device = re.sub(r"[-:]", "", created), re.sub(r"[^A-Za-z0-9._-]+", "-", device).strip("-")
        path, number = self.runs / f"{stamp}-{device}.json", 1
        while path.exists():
            number += 1
            path = self.runs / f"{stamp}.{number}-{device}.json"
        return path

    def latest_runs(self) -> list[Path]:
        """The newest run of every device, for a report that nobody gave any runs."""
        newest: dict[str, Path] = {}
        for path in sorted(self.runs.glob("*.json")):
            newest[path.stem.partition("-")[2]] = path
        if not newest:
            raise UsageError(f"There are no runs in {self.runs}.", "Run 'edgeq bench' first, or name run.json files.")
        return sorted(newest.values())


def load_project(start: Path | None = None) -> Project:
    """The project of the current folder or the nearest one above it; an empty one where there is none."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return read_project(folder / FILE)
    return Project(start)


def read_project(path: Path) -> Project:
    """Read one project file; `UsageError` names the file and the key."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"{path}: cannot be read as TOML: {error}.", "'edgeq init' writes a project to compare with."
        ) from error
    _known(path, "", data, ("project", "devices"))
    table, root = _table(path, "project", data.get("project", {})), path.parent
    _known(path, "project.", table, _PROJECT_KEYS)
    devices = {
        name: _device(path, name, entry) for name, entry in _table(path, "devices", data.get("devices", {})).items()
    }
    texts = {
        key: _text(path, f"project.{key}", table[key]) for key in _PROJECT_KEYS if key in table and key != "targets"
    }
    files = {key: root / Path(texts[key]).expanduser() for key in ("model", "data", "eval", "labels") if key in texts}
    targets = table.get("targets", [])
    if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
        raise UsageError(f"{path}: 'project.targets' must be a list of texts.", 'For example: targets = ["rpi4"]')
    return Project(
        root,
        name=texts.get("name", ""),
        targets=tuple(targets),
        device=texts.get("device", ""),
        out=root / Path(texts.get("out", "build")).expanduser(),
        runs=root / Path(texts.get("runs", "runs")).expanduser(),
        devices=devices,
        **files,
    )


def _device(path: Path, name: str, entry: Any) -> DeviceEntry:
    if isinstance(entry, str):
        return DeviceEntry(name, entry)
    table = _table(path, f"devices.{name}", entry)
    _known(path, f"devices.{name}.", table, _DEVICE_KEYS)
    if "address" not in table:
        raise UsageError(f"{path}: 'devices.{name}' has no address.", 'For example: address = "ssh://pi@raspberrypi"')
    address = _text(path, f"devices.{name}.address", table["address"])
    return DeviceEntry(name, address, _text(path, f"devices.{name}.target", table.get("target", "")))


def _table(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: '{key}' must be a table.", f"Write [{key}] and its keys below it.")
    return value


def _text(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{path}: '{key}' must be a text; it says {value!r}.", "Put it in quotes.")
    return value


def _known(path: Path, prefix: str, table: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"Did you mean '{prefix}{near[0]}'?" if near else f"Known keys: {', '.join(keys)}."
            raise UsageError(f"{path}: unknown key '{prefix}{key}'.", hint)
