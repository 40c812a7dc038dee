"""What lies beside the runs on this machine: the bundle that was benched, found by its digest, and its search.

A run holds what a report needs. A bundle adds findings of its build, the recipe and the tools; nothing is taken from a
file whose digest is not the one that the run, or the bundle's manifest, names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.report.figures import mapping, number
from edgeq.run import Run

SEVERITIES = ("invalid", "error", "degraded", "warning", "info")


@dataclass(frozen=True)
class Advice:
    """One finding: how grave, what, what to do next, and who says so (the run or the bundle)."""

    severity: str
    code: str
    message: str
    hint: str
    origin: str


@dataclass(frozen=True)
class Trial:
    """One recipe that a search tried: its size, the points it lost on held-back calibration samples, its noise, and
    whether no other one beat it in size, work and noise. `chosen` is the one that was built."""

    recipe: str
    size_bytes: float
    loss: float
    sqnr_db: float
    front: bool
    chosen: bool


@dataclass(frozen=True)
class Evidence:
    """Of one bundle. Empty where it is not on this machine."""

    passport: Mapping[str, Any]
    advice: tuple[Advice, ...] = ()
    trials: tuple[Trial, ...] = ()


NONE = Evidence({})


def evidence(run: Run, folders: Iterable[Path]) -> Evidence:
    """Of the bundle among `folders` whose digest the run names."""
    wanted = run.release.get("digest")
    for folder in folders:
        manifest = _bytes(folder / "manifest.json")
        if manifest and hashlib.sha256(manifest).hexdigest() == wanted:
            passport = _passport(folder, _json(manifest))
            search = mapping(_json(_bytes(folder.parent / f"{folder.name}.search.json") or b"null"))
            return Evidence(passport, tuple(_advice(passport)), tuple(trials(search, passport)))
    return NONE


def _passport(folder: Path, manifest: Any) -> Mapping[str, Any]:
    held = _bytes(folder / "passport.json") or b""
    named = mapping(mapping(manifest).get("files")).get("passport.json")
    same = hashlib.sha256(held).hexdigest() == mapping(named).get("sha256")
    return mapping(_json(held)) if same else {}


def _advice(passport: Mapping[str, Any]) -> Iterator[Advice]:
    for item in passport.get("findings") or ():
        told = mapping(item)
        severity = str(told.get("severity"))
        if severity in SEVERITIES and told.get("message"):
            code, hint = str(told.get("code", "")), str(told.get("hint") or "")
            yield Advice(severity, code, str(told["message"]), hint, "bundle")


def trials(search: Mapping[str, Any], passport: Mapping[str, Any]) -> Iterator[Trial]:
    """Those that gave a model, if the search is the one that led to this bundle: it names the bundle's recipe."""
    recipe = mapping(mapping(passport.get("recipe")).get("told"))
    if not recipe or mapping(search.get("recipe")) != recipe:
        return
    front = set(map(str, search.get("front") or ()))
    for item in search.get("trials") or ():
        told = mapping(item)
        size, loss, noise = (number(told.get(key)) for key in ("size_bytes", "loss", "sqnr_db"))
        tried = mapping(told.get("recipe"))
        if size and loss is not None and noise is not None and not told.get("error"):
            digest = _digest(tried)
            yield Trial(_words(tried), size, loss, noise, digest in front, tried == recipe)


def _digest(recipe: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _words(recipe: Mapping[str, Any]) -> str:
    parts = [str(recipe.get("mode"))]
    method = mapping(recipe.get("ranges")).get("method")
    parts += [f"ranges {method}"] if method and method != "min-max" else []
    parts += [str(item) for item in recipe.get("repairs") or ()]
    layers = recipe.get("override") or ()
    parts += [f"{len(layers)} layer{'s' * (len(layers) > 1)} {mapping(layers[0]).get('mode')}"] if layers else []
    return ", ".join(parts)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
