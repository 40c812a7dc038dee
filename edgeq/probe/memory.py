"""Memory as the device counts it: what the process that runs the model takes, before, after and at most; or what a
microcontroller's runtime takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.probe.latency import whole_numbers
from edgeq.run import Series

_RESIDENT = {key: key for key in ("rss_before", "rss_after", "rss_load", "rss_peak")}
_PROPORTIONAL = {key: key for key in ("pss_before", "pss_after")}
_BOARD = {"arena_bytes": "arena", "static_bytes": "static", "stack_bytes": "stack"}
_READ_PSS = ("pss_before", "pss_after", "pss_end")


def memory_series(answer: Mapping[str, Any], how: str, flash_bytes: int = 0) -> list[Series]:
    """Of the bench answer, in bytes: resident memory of the process before and after loading, the increase (`rss_load`)
    and the most ever (`rss_peak`); proportional memory (PSS), whose peak lies between the greatest reading and the
    resident peak. Of a microcontroller `arena`, `static` (variables), `stack` (of one inference), their sum `ram`, and
    `flash` (the image)."""
    process = [
        *_of(answer, how, _RESIDENT, "resident set of the runtime's process"),
        *(_of(answer, how, _PROPORTIONAL, _PSS) if answer.get("pss_after") else []),
        *_pss_peak(answer, how),
    ]
    board = _of(answer, how, _BOARD, "the runtime; its stack was painted")
    if flash_bytes:
        board.append(Series("flash", "bytes", how, (flash_bytes,), source="the image's bytes"))
    parts = [series.values[0] for series in board if series.name in _BOARD.values()]
    if len(parts) < len(_BOARD):
        return [*process, *board]
    return [*process, *board, Series("ram", "bytes", how, (sum(parts),), source="arena, variables and stack")]


_PSS = "smaps_rollup of the runtime's process: pages that others use, too, count in part"


def _pss_peak(answer: Mapping[str, Any], how: str) -> list[Series]:
    """The kernel keeps no peak of PSS: a range is what is known."""
    read = [value for key in _READ_PSS if key in answer for value in whole_numbers(answer, key)]
    if not read or not max(read) or "rss_peak" not in answer:
        return []
    (most,) = whole_numbers(answer, "rss_peak")
    source = f"{_PSS}; from the greatest reading to the resident peak"
    return [Series("pss_peak", "bytes", how, (max(read), max(most, *read)), source=source)]


def _of(answer: Mapping[str, Any], how: str, names: Mapping[str, str], source: str) -> list[Series]:
    return [
        Series(name, "bytes", how, whole_numbers(answer, key), source=source)
        for key, name in names.items()
        if key in answer
    ]
