"""Where profiles lie, and which one a name means."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgeq.errors import TargetError
from edgeq.host.paths import shipped
from edgeq.target.profile import TargetProfile
from edgeq.target.read import read_target


def target_folders() -> list[Path]:
    """Folders that are searched for profiles, first hit wins."""
    extra = [Path(entry) for entry in os.environ.get("EDGEQ_TARGET_PATH", "").split(os.pathsep) if entry]
    folders = [Path("targets"), *extra, Path.home() / ".config" / "edgeq" / "targets", shipped("targets")]
    return [folder for folder in folders if folder.is_dir()]


def all_targets() -> Iterator[TargetProfile]:
    """Every profile that can be read, by name; an earlier folder hides a later one's namesake. `broken_targets` says
    which were passed over."""
    paths = _paths()
    return (found for found in _read(paths[name] for name in sorted(paths)) if isinstance(found, TargetProfile))


def broken_targets() -> list[TargetError]:
    """What is wrong with each file among the profiles that is none, by name."""
    paths = _paths()
    return [found for found in _read(paths[name] for name in sorted(paths)) if isinstance(found, TargetError)]


def load_target(name: str) -> TargetProfile:
    """The profile called `name` (or known by that alias); `TargetError` with near names otherwise."""
    paths = _paths()
    if name in paths:
        return read_target(paths[name])
    known: list[str] = []
    for profile in _read(paths.values()):
        if isinstance(profile, TargetError):
            continue
        if name.lower() in (profile.name.lower(), *(alias.lower() for alias in profile.aliases)):
            return profile
        known += [profile.name, *profile.aliases]
    near = difflib.get_close_matches(name.lower(), known, 1, 0.5)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    # A profile that cannot be read may be the one that has this alias.
    passed_over = "".join(f" Passed over: {error.message}" for error in broken_targets()[:1])
    raise TargetError(f"There is no target '{name}'.", f"{hint}'edgeq targets' lists them all.{passed_over}")


def _read(paths: Iterable[Path]) -> Iterator[TargetProfile | TargetError]:
    for path in paths:
        try:
            yield read_target(path)
        except TargetError as error:
            yield error


def _paths() -> dict[str, Path]:
    """By name, in the order of the folders."""
    paths: dict[str, Path] = {}
    for folder in target_folders():
        for path in sorted(folder.glob("*.toml")):
            paths.setdefault(path.stem, path)
    return paths
