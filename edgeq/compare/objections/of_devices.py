"""Objections to where it ran: another kind of device, emulated or not, another runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from edgeq.compare.objections.check import AGAIN, ALL, TIMES, Check, Pair, differ, differs, one_alone
from edgeq.run import Run

_REVISION = re.compile(r"\s*\bRev(?:ision)?\.?\s*[\w.]+", re.IGNORECASE)
_CLASS = (("architecture", "arch"), ("board", "board"), ("CPU", "cpu"), ("cores", "cores"))


def _device(pair: Pair) -> str:
    rows = [(word, *pair.each(partial(_fact, key=key))) for word, key in _CLASS]
    if not all(pair.each(lambda run: run.device.get("board"))):
        rows.append(("target", *pair.each(lambda run: run.release.get("target"))))
    found = [f"{word} {before} and {after}" for word, before, after in rows if differ(before, after)]
    return f"The devices are of different kinds: {', '.join(found)}." if found else ""


def _fact(run: Run, key: str) -> Any:
    value = run.device.get(key)
    return " ".join(_REVISION.sub("", value).split()) if isinstance(value, str) else value


def _is_emulated(run: Run) -> bool:
    return bool(run.device.get("emulated")) or any(series.how == "emulated" for series in run.series)


def _emulator(run: Run) -> Any:
    return run.device.get("emulator") if _is_emulated(run) else None


def _runtime(run: Run) -> str:
    return " ".join(str(run.device[key]) for key in ("runtime", "runtime_version") if run.device.get(key))


def _governor(run: Run) -> Any:
    readings = run.environment.get("before")
    return readings.get("governor") if isinstance(readings, Mapping) else None


EMULATED_REAL = Check(
    "emulated_real",
    "refuse",
    ALL,
    one_alone(_is_emulated, "{} is emulated and {} is not."),
    "one run is emulated and the other is not",
    "Compare emulated runs with emulated ones.",
)
OTHER_DEVICE = Check(
    "other_device",
    "refuse",
    ALL,
    _device,
    "architecture, board (but for its revision), CPU or cores differ; the targets, where a board is not known",
    "Compare runs of one kind of device; 'edgeq report A B' tells others side by side.",
)
OTHER_RUNTIME = Check(
    "other_runtime",
    "warn",
    ALL,
    differs(_runtime, "The runtimes differ: {} and {}."),
    "the runtimes or their versions differ",
    "A difference may be the runtime's and not the model's.",
)
OTHER_GOVERNOR = Check(
    "other_governor",
    "warn",
    TIMES,
    differs(_governor, "The CPU governors differ: {} and {}."),
    "the CPU governors differ",
    AGAIN,
)
OTHER_EMULATOR = Check(
    "other_emulator",
    "warn",
    ALL,
    differs(_emulator, "The emulators differ: {} and {}."),
    "both are emulated, and not by the same emulator",
    AGAIN,
)
