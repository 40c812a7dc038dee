"""The figures of an evaluation, each with how it was obtained, out of the document that manifest and passport hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.passport.figures import is_number

WHOLE = ""
"""The slice that is all samples."""
_ACCURACY = "accuracy"


@dataclass(frozen=True)
class Figure:
    """`value` of `name` on a `slice` of `samples` samples (0: not told), with its interval where it has one. `part` is
    `float`, `quantized` or `lost` where the same is told of both models."""

    metric: str
    value: float
    samples: int
    how: str
    slice: str = WHOLE
    part: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.metric}, {self.part}" if self.part else self.metric


def figures(evaluation: Mapping[str, Any] | None) -> list[Figure]:
    """Every figure that can be read; what is not a number is left out, whoever wrote the document."""
    if not evaluation:
        return []
    measured = f"measured on the {_text(evaluation.get('evaluated_on')) or 'host'}"
    found = [*_compared(evaluation, WHOLE, measured, evaluation), *_beside(evaluation, measured)]
    for entry in _slices(evaluation):
        found += _compared(entry, _title(entry), measured, evaluation)
    return found


def _compared(entry: Mapping[str, Any], name: str, measured: str, whole: Mapping[str, Any]) -> Iterator[Figure]:
    """Float, quantized, and what was lost with its interval."""
    metric = _metric(entry, whole)
    samples = _count(entry.get("samples"))
    for part, key in (("float", "float_value"), ("quantized", "value")):
        if is_number(entry.get(key)):
            yield Figure(metric, float(entry[key]), samples, measured, name, part)
    if is_number(entry.get("drop")):
        low, high = (float(entry[key]) if is_number(entry.get(key)) else None for key in ("drop_low", "drop_high"))
        if low is None or high is None:
            yield Figure(metric, float(entry["drop"]), samples, measured, name, "lost")
        else:
            how = f"{measured}; {_interval(whole)}"
            yield Figure(metric, float(entry["drop"]), samples, how, name, "lost", low, high)


def _metric(entry: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    name = _text(entry.get("metric"))
    if name and name == whole.get("metric"):
        return _text(whole.get("title")) or name
    return name or "value"


def _beside(evaluation: Mapping[str, Any], measured: str) -> Iterator[Figure]:
    """What is told beside the metric itself."""
    samples = _count(evaluation.get("samples"))
    if evaluation.get("metric") != _ACCURACY:
        for part, key in (("float", f"float_{_ACCURACY}"), ("quantized", _ACCURACY)):
            if is_number(evaluation.get(key)):
                yield Figure(_ACCURACY, float(evaluation[key]), samples, measured, part=part)
    if is_number(evaluation.get("agreement")):
        yield Figure("agreement of both models", float(evaluation["agreement"]), samples, measured)
    calibration = evaluation.get("calibration_error")
    if isinstance(calibration, Mapping):
        how = f"{measured}; {_text(calibration.get('method'))}".rstrip("; ")
        for part, key in (("float", "float_value"), ("quantized", "value")):
            if is_number(calibration.get(key)):
                yield Figure("expected calibration error", float(calibration[key]), samples, how, part=part)
    if is_number(evaluation.get("sqnr_db")):
        of = _text(evaluation.get("sqnr_of")) or "outputs"
        yield Figure(f"SQNR of the {of}, dB", float(evaluation["sqnr_db"]), samples, f"{measured}, against float")


def _interval(whole: Mapping[str, Any]) -> str:
    confidence, way = whole.get("confidence"), _text(whole.get("method"))
    share = f"{100 * float(confidence):g} % " if is_number(confidence) else ""  # type: ignore[arg-type]
    return f"{share}interval by {way}" if way else f"{share}interval"


def _slices(evaluation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = evaluation.get("slices")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _title(entry: Mapping[str, Any]) -> str:
    return f"{_text(entry.get('by')) or 'slice'} '{_text(entry.get('slice'))}'"


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
