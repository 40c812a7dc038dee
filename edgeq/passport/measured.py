"""The figures of an evaluation, each with how it was obtained, out of the document that manifest and passport hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.passport.figures import is_number

WHOLE = ""
"""The slice that is all samples."""
_MORE = {"agreement": "agreement of both models", "sqnr_db": "SQNR of the outputs (dB)"}


@dataclass(frozen=True)
class Figure:
    """`value` of `name` on a `slice` of `samples` samples (0: not told), with its interval where it has one."""

    name: str
    value: float
    samples: int
    how: str
    slice: str = WHOLE
    low: float | None = None
    high: float | None = None


def figures(evaluation: Mapping[str, Any] | None) -> list[Figure]:
    """Every figure that can be read; what is not a number is left out, whoever wrote the document."""
    if not evaluation:
        return []
    metric = _text(evaluation.get("metric")) or "accuracy"
    measured = f"measured on the {_text(evaluation.get('evaluated_on')) or 'host'}"
    found = [*_compared(metric, evaluation, WHOLE, measured, evaluation)]
    samples = _count(evaluation.get("samples"))
    for key, title in _MORE.items():
        if is_number(evaluation.get(key)):
            found.append(Figure(title, float(evaluation[key]), samples, measured))
    for entry in _slices(evaluation):
        found += _compared(metric, entry, _text(entry.get("name")) or "?", measured, evaluation)
    return found


def _compared(
    metric: str, entry: Mapping[str, Any], name: str, measured: str, whole: Mapping[str, Any]
) -> Iterator[Figure]:
    """Float, quantized, and the difference with its interval."""
    samples = _count(entry.get("samples"))
    for title, key in ((f"{metric}, float", "float_accuracy"), (f"{metric}, quantized", "accuracy")):
        if is_number(entry.get(key)):
            yield Figure(title, float(entry[key]), samples, measured, name)
    if is_number(entry.get("drop")):
        ends = [float(entry[key]) if is_number(entry.get(key)) else None for key in ("drop_low", "drop_high")]
        if None in ends:
            ends = [None, None]
        how = measured if None in ends else f"{measured}; {_interval(whole)}"
        yield Figure(f"{metric}, float minus quantized", float(entry["drop"]), samples, how, name, *ends)


def _interval(whole: Mapping[str, Any]) -> str:
    confidence, method = whole.get("confidence"), _text(whole.get("method"))
    share = f"{100 * float(confidence):g} % " if is_number(confidence) else ""  # type: ignore[arg-type]
    return f"{share}interval by {method}" if method else f"{share}interval"


def _slices(evaluation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = evaluation.get("slices")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
