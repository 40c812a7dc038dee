"""The project file `edgeq.toml`: defaults for every argument that a command leaves out."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from edgeq.asked import Asked, read_asked
from edgeq.errors import UsageError
from edgeq.preprocess import Preprocess, PreprocessError, parse
from edgeq.runtimes.resolve import place_of
from edgeq.transaction.confirm import ConfirmPolicy
from edgeq.waiver import Waiver, read_waivers

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "edgeq.toml"
_TEXT_KEYS = ("name", "model", "data", "eval", "labels", "mode", "recipe", "device", "out", "runs")
_PROJECT_KEYS = (*_TEXT_KEYS, "targets", "security_version")
MOST_SECURITY_VERSION = (1 << 32) - 1
"""A microcontroller has 32 bits for it."""
_INTERFACE_KEYS = ("threshold", "smoothing")
ABOUT_KEYS = (
    *("owner", "contact", "license", "date", "task", "architecture", "intended_use", "out_of_scope", "factors"),
    *("training_data", "evaluation_data", "ethics", "limitations", "recommendations"),
)
"""What `[passport]` may say about the model: texts (docs/passport.md)."""
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""Data may also be a function of the user's own."""
_TABLES = ("project", "preprocess", "interface", "evaluation", "confirm", "devices", "groups", "passport", "waivers")
_DEVICE_KEYS = ("address", "target", "bundle", "runtime", "tags")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
ALL = "all"
"""The group of every device; it always exists."""
SELECTORS = ("group", "tag")


@dataclass(frozen=True)
class DeviceEntry:
    """One entry of `[devices]`; `target` is empty and `bundle` None where the file does not say. `runtime` is
    `system:/path` where the device's own shall be used, else empty."""

    name: str
    address: str
    target: str = ""
    bundle: Path | None = None
    runtime: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Project:
    """What `edgeq.toml` says; paths begin at its folder, as seen from the current one. Outside everything is empty."""

    root: Path
    name: str = ""
    model: Path | None = None
    data: str | Path | None = None
    eval: str | Path | None = None
    labels: Path | None = None
    mode: str = ""
    recipe: Path | None = None
    preprocess: Preprocess | None = None
    threshold: float | None = None
    smoothing: int = 1
    evaluation: Asked = field(default_factory=Asked)
    confirm: ConfirmPolicy = field(default_factory=ConfirmPolicy)
    security_version: int = 0
    waivers: tuple[Waiver, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    device: str = ""
    out: Path = Path("build")
    runs: Path = Path("runs")
    devices: Mapping[str, DeviceEntry] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def resolve(self, device: str | None) -> DeviceEntry:
        """One device: a name of `[devices]`, an address, or None for the project's default device."""
        wanted = device or self.device
        if not wanted:
            raise _none_given()
        if is_selector(wanted):
            found = ", ".join(entry.name for entry in self.select([wanted]))
            raise UsageError(
                f"'{wanted}' stands for several devices, and one is wanted here.", f"Give one of them: {found}."
            )
        return self._one(wanted)

    def is_many(self, wanted: Sequence[str]) -> bool:
        """Whether these, or the project's default where there are none, are asked for as a fleet."""
        return len(wanted) > 1 or any(is_selector(item) for item in wanted or (self.device,))

    def select(self, wanted: Sequence[str]) -> tuple[DeviceEntry, ...]:
        """Devices in the order asked for, each once: names, addresses, `group:NAME`, `tag:NAME`."""
        items = tuple(wanted) or ((self.device,) if self.device else ())
        if not items:
            raise _none_given()
        return tuple({entry.name: entry for item in items for entry in self._expand(item, ())}.values())

    def _expand(self, item: str, inside: tuple[str, ...]) -> list[DeviceEntry]:
        """`inside` are the groups on the way here, outermost first."""
        kind, _, name = item.partition(":")
        if not is_selector(item):
            return [self._one(item)]
        if kind == "tag":
            return self._tagged(name)
        if item in inside:
            circle = " -> ".join((*inside[inside.index(item) :], item))
            raise UsageError(f"The groups in {FILE} go in a circle: {circle}.", "Take one of them out of the other.")
        if name == ALL:
            return self._found(item, list(self.devices.values()))
        if name not in self.groups:
            raise _unknown("group", name, (*self.groups, ALL), "group:")
        return self._found(item, [entry for part in self.groups[name] for entry in self._expand(part, (*inside, item))])

    def _tagged(self, tag: str) -> list[DeviceEntry]:
        found = [entry for entry in self.devices.values() if tag in entry.tags]
        if not found:
            raise _unknown("tag", tag, sorted({each for entry in self.devices.values() for each in entry.tags}), "tag:")
        return found

    def _found(self, item: str, entries: list[DeviceEntry]) -> list[DeviceEntry]:
        if not entries:
            raise UsageError(f"There are no devices in '{item}'.", f"Add them to [devices] in {FILE}.")
        return entries

    def _one(self, wanted: str) -> DeviceEntry:
        if wanted in self.devices:
            return self.devices[wanted]
        if ":" in wanted:
            return DeviceEntry(wanted, wanted)
        if wanted in self.groups or wanted == ALL:
            raise UsageError(f"'{wanted}' is a group, not a device.", f"Write it as group:{wanted}.")
        raise _unknown("device", wanted, tuple(self.devices), "")

    def bundle(self, entry: DeviceEntry) -> Path:
        """The bundle to deploy to this device when none was named: its own, the one built for its target, or the only
        one where it has no target."""
        if entry.bundle:
            return entry.bundle
        built = sorted(path.parent for path in self.out.glob("*/manifest.json"))
        target = _target_name(entry.target)
        fitting = [path for path in built if path.name.endswith(f"-{target}")] if target else built
        if len(fitting) == 1:
            return fitting[0]
        names = ", ".join(path.name for path in built) or "none"
        if target and not fitting:
            raise UsageError(
                f"No bundle for {target} is built; in {self.out} there are: {names}.",
                f"Run 'edgeq build --target {target}', or name a bundle.",
            )
        raise UsageError(f"Which bundle? In {self.out} there are: {names}.", "Name one, or run 'edgeq build' first.")

    def run_path(self, created: str, device: str) -> Path:
        """Where a run goes that nobody gave a place: one folder per bench, sorted by time (`edgeq.results`)."""
        stamp, device = re.sub(r"[-:]", "", created), re.sub(r"[^A-Za-z0-9._-]+", "-", device).strip("-")
        path, number = self.runs / f"{stamp}-{device}" / "run.json", 1
        while path.exists():
            number += 1
            path = self.runs / f"{stamp}.{number}-{device}" / "run.json"
        return path

    def latest_runs(self) -> list[Path]:
        """The newest run of every device, for a report that nobody gave any runs. Folders without a manifest are of
        benches that were interrupted; single files are of an edgeq before 0.2."""
        newest: dict[str, Path] = {}
        whole = [path for path in self.runs.glob("*/run.json") if (path.parent / "manifest.json").is_file()]
        named = [(path.parent.name, path) for path in whole] + [(path.stem, path) for path in self.runs.glob("*.json")]
        for name, path in sorted(named):
            newest[name.partition("-")[2]] = path
        if not newest:
            raise UsageError(f"There are no runs in {self.runs}.", "Run 'edgeq bench' first, or name run.json files.")
        return sorted(newest.values())


def is_selector(text: str) -> bool:
    """Whether this is `group:NAME` or `tag:NAME`, and not one device."""
    return text.partition(":")[0] in SELECTORS and ":" in text


def _none_given() -> UsageError:
    return UsageError("No device was given.", "Give one, such as local: or ssh://pi@host, or set device in edgeq.toml.")


def _unknown(kind: str, name: str, known: Sequence[str], prefix: str) -> UsageError:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean '{prefix}{near[0]}'?" if near else ""
    if not hint and kind == "device":
        hint = "Give an address such as ssh://pi@host, or add it to [devices]."
    there = ", ".join(f"{prefix}{each}" for each in known) or "none"
    return UsageError(f"There is no {kind} '{name}' in {FILE}.", hint or f"There are: {there}.")


def _target_name(target: str) -> str:
    """The target's own name where an alias was written; what was written where no profile is known."""
    from edgeq.target import load_target

    try:
        return load_target(target).name if target else ""
    except UsageError:
        return target


def load_project(start: Path | None = None) -> Project:
    """The project of the current folder or the nearest one above it; an empty one where there is none.

    Its paths are relative to the current folder, as people would write them, unless another one to `start` is given.
    """
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        if (folder / FILE).is_file():
            return read_project((folder if start else Path(os.path.relpath(folder))) / FILE)
    return Project(begin)


def read_project(path: Path) -> Project:
    """Read one project file; `UsageError` names the file and the key."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"{path}: cannot be read as TOML: {error}.", "'edgeq init' writes a project to compare with."
        ) from error
    _known(path, "", data, _TABLES)
    table, root = _table(path, "project", data.get("project", {})), path.parent
    _known(path, "project.", table, _PROJECT_KEYS)
    devices = {
        name: _device(path, name, entry) for name, entry in _table(path, "devices", data.get("devices", {})).items()
    }
    groups = {
        name: _group(path, name, members) for name, members in _table(path, "groups", data.get("groups", {})).items()
    }
    _check_groups(path, Project(root, devices=devices, groups=groups))
    texts = {key: _text(path, f"project.{key}", table[key]) for key in _TEXT_KEYS if key in table}
    files = {key: root / Path(texts[key]).expanduser() for key in ("model", "labels", "recipe") if key in texts}
    if "mode" in texts and "recipe" in texts:
        raise UsageError(f"{path}: 'project.mode' and 'project.recipe' are both given.", "A recipe says its mode.")
    return Project(
        root,
        name=texts.get("name", ""),
        data=_data(root, texts.get("data")),
        eval=_data(root, texts.get("eval")),
        mode=texts.get("mode", ""),
        preprocess=_preprocess(path, data["preprocess"]) if "preprocess" in data else None,
        **_interface(path, _table(path, "interface", data.get("interface", {}))),
        evaluation=_evaluation(path, _table(path, "evaluation", data.get("evaluation", {}))),
        confirm=_confirm(path, _table(path, "confirm", data.get("confirm", {}))),
        security_version=_security_version(path, table.get("security_version", 0)),
        **_papers(path, data),
        targets=_texts(path, "project.targets", table.get("targets", []), 'targets = ["rpi4"]'),
        device=texts.get("device", ""),
        out=root / Path(texts.get("out", "build")).expanduser(),
        runs=root / Path(texts.get("runs", "runs")).expanduser(),
        devices=devices,
        groups=groups,
        model=files.get("model"),
        recipe=files.get("recipe"),
        labels=files.get("labels"),
    )


def _data(root: Path, text: str | None) -> str | Path | None:
    if text is None or (_FUNCTION.fullmatch(text) and not (root / text).exists()):
        return text
    return root / Path(text).expanduser()


def _preprocess(path: Path, table: Any) -> Preprocess:
    try:
        return parse(table)
    except PreprocessError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from error


def _evaluation(path: Path, table: Mapping[str, Any]) -> Asked:
    asked = read_asked(table, str(path))
    other = _data(path.parent, asked.out_of_distribution or None)
    return replace(asked, out_of_distribution=str(other or ""))


def _confirm(path: Path, table: Mapping[str, Any]) -> ConfirmPolicy:
    _known(path, "confirm.", table, tuple(item.name for item in fields(ConfirmPolicy)))
    for key, value in table.items():
        try:
            ConfirmPolicy.from_json({key: value})
        except ValueError as error:
            said = str(error).replace(f"'{key}'", f"'confirm.{key}'", 1)
            raise UsageError(f"{path}: {said}.", "docs/deploy.md says what each key of [confirm] does.") from error
    return ConfirmPolicy.from_json(table)


def _security_version(path: Path, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_SECURITY_VERSION:
        raise UsageError(
            f"{path}: 'project.security_version' must be a whole number from 0 to {MOST_SECURITY_VERSION}; "
            f"it says {value!r}.",
            "Raise it by one where devices must never take an older build again: security_version = 1",
        )
    return value


def _papers(path: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    about = _table(path, "passport", data.get("passport", {}))
    _known(path, "passport.", about, ABOUT_KEYS)
    try:
        waivers = read_waivers(data.get("waivers", []))
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from error
    return {"waivers": waivers, "about": {key: _text(path, f"passport.{key}", text) for key, text in about.items()}}


def _interface(path: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    _known(path, "interface.", table, _INTERFACE_KEYS)
    threshold, smoothing = table.get("threshold"), table.get("smoothing", 1)
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int | float)):
        raise UsageError(f"{path}: 'interface.threshold' must be a number; it says {threshold!r}.", "threshold = 0.8")
    if isinstance(smoothing, bool) or not isinstance(smoothing, int) or not 1 <= smoothing <= 1000:
        raise UsageError(
            f"{path}: 'interface.smoothing' must be a whole number from 1 to 1000; it says {smoothing!r}.",
            "It is how many successive outputs are averaged: smoothing = 3",
        )
    return {"threshold": None if threshold is None else float(threshold), "smoothing": smoothing}


def _device(path: Path, name: str, entry: Any) -> DeviceEntry:
    _name(path, "devices", name)
    if isinstance(entry, str):
        return DeviceEntry(name, entry)
    table = _table(path, f"devices.{name}", entry)
    _known(path, f"devices.{name}.", table, _DEVICE_KEYS)
    if "address" not in table:
        raise UsageError(f"{path}: 'devices.{name}' has no address.", 'For example: address = "ssh://pi@raspberrypi"')
    texts = {
        key: _text(path, f"devices.{name}.{key}", table[key])
        for key in ("address", "target", "bundle", "runtime")
        if key in table
    }
    return DeviceEntry(
        name,
        texts["address"],
        texts.get("target", ""),
        path.parent / Path(texts["bundle"]).expanduser() if "bundle" in texts else None,
        _runtime(path, name, texts.get("runtime", "")),
        _texts(path, f"devices.{name}.tags", table.get("tags", []), 'tags = ["kitchen"]'),
    )


def _runtime(path: Path, name: str, text: str) -> str:
    if text and place_of(text) is None:
        raise UsageError(
            f"{path}: 'devices.{name}.runtime' must be system:/path or system; it says {text!r}.",
            "The path is a folder of Python packages on the device; leave it out to have the runtime pushed.",
        )
    return text


def _group(path: Path, name: str, members: Any) -> tuple[str, ...]:
    _name(path, "groups", name)
    if name == ALL:
        raise UsageError(f"{path}: 'groups.{ALL}' always means every device.", "Give the group another name.")
    return _texts(path, f"groups.{name}", members, f'{name} = ["pi1", "pi2", "group:other"]')


def _check_groups(path: Path, project: Project) -> None:
    for name in project.groups:
        try:
            project.select([f"group:{name}"])
        except UsageError as error:
            raise UsageError(f"{path}: 'groups.{name}': {error.message}", error.hint) from error


def _name(path: Path, table: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{path}: '{table}.{name}' cannot be a name.", "Use letters, digits, dot, dash and underscore."
        )


def _texts(path: Path, key: str, value: Any, example: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{path}: '{key}' must be a list of texts.", f"For example: {example}")
    return tuple(value)


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
