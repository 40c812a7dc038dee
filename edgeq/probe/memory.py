"""Memory as the device counts it: resident bytes of the process that runs the model, or what a microcontroller's
runtime takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeq.probe.latency import whole_numbers
from edgeq.run import Series

_PROCESS = {"rss_load": "rss_load", "rss_peak": "rss_peak"}
_BOARD = {"arena_bytes": "arena", "static_bytes": "static", "stack_bytes": "stack"}


def memory_series(answer: Mapping[str, Any], how: str) -> list[Series]:
    """`rss_load` (after loading the model) and `rss_peak` (the most ever) of the bench answer, in bytes; of a
    microcontroller `arena`, `static` (variables), `stack` (of one inference) and their sum, `ram`."""
    process = _of(answer, how, _PROCESS, "resident set of the runtime's process")
    board = _of(answer, how, _BOARD, "the runtime; its stack was painted")
    if len(board) < len(_BOARD):
        return [*process, *board]
    total = sum(series.values[0] for series in board)
    return [*process, *board, Series("ram", "bytes", how, (total,), source="arena, variables and stack")]


def _of(answer: Mapping[str, Any], how: str, names: Mapping[str, str], source: str) -> list[Series]:
    return [
        Series(name, "bytes", how, whole_numbers(answer, key), source=source)
        for key, name in names.items()
        if key in answer
    ]
