"""Both models on inputs that get worse: does the quantized one fall behind where the float one still holds?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from edgeq.dataset import Dataset
from edgeq.evaluate.corrupt.corruption import SEVERITIES, Corruption
from edgeq.evaluate.corrupt.suite import corrupted, level
from edgeq.evaluate.evaluation import Predictions
from edgeq.evaluate.metrics import FRACTION
from edgeq.evaluate.predict import Pair, Said
from edgeq.evaluate.resample import CONFIDENCE, SEED, Interval, Paired, method, paired
from edgeq.evaluate.scorer import value
from edgeq.evaluate.slices import WORTH
from edgeq.finding import Finding
from edgeq.quantize.samples import chained

MOST_SAMPLES = 500
"""So many are made worse in each way; of data whose rows belong together all."""
MOST_VALUES = 1 << 28
"""Up to so many answers the models run once for all severities of a corruption: 1 GiB."""


@dataclass(frozen=True)
class Worse:
    """One corruption at one severity. `drop` is what the quantized model loses beside the float one there, `extra` how
    much more that is than on the clean samples; both None without a float model."""

    corruption: Corruption
    severity: int
    level: float
    float_value: float | None
    value: float
    drop: Interval | None
    extra: Paired | None

    def to_json(self) -> dict[str, Any]:
        """One row of a document, without rounding."""
        extra = self.extra.at() if self.extra else None
        return {
            "corruption": self.corruption.name,
            "severity": self.severity,
            "parameter": self.corruption.parameter,
            "level": self.level,
            "float_value": self.float_value,
            "value": self.value,
            "drop": self.drop and self.drop.value,
            "drop_low": self.drop and self.drop.low,
            "drop_high": self.drop and self.drop.high,
            "extra": extra and extra.value,
            "extra_low": extra and extra.low,
            "extra_high": extra and extra.high,
        }


Taken = Callable[[Said | None, Said], Predictions]
"""What both models said -> predictions as the metric takes them."""


def worsen(
    pair: Pair,
    data: Dataset,
    places: Sequence[int],
    taken: Taken,
    clean: tuple[Said | None, Said],
    suite: Sequence[Corruption],
    seed: int = SEED,
) -> tuple[list[Worse], str]:
    """Every corruption of the samples at `places` at every severity, and how intervals came about; `clean` is what both
    models said of these samples as they are."""
    before, rows = taken(*clean), []
    values = len(places) * len(SEVERITIES) * pair.quantized.size
    runs = [SEVERITIES] if values <= MOST_VALUES else [(severity,) for severity in SEVERITIES]
    for corruption, run in product(suite, runs):
        pair.progress(f"evaluating with {corruption.name}, severity {run[0]}{f' to {run[-1]}' * (len(run) > 1)}")
        worse = [corrupted(data, pair.preprocess, places, corruption, severity, seed) for severity in run]
        reference, quantized = pair.ask(chained(worse))
        for number, severity in enumerate(run):
            own = range(number * len(places), (number + 1) * len(places))
            there = taken(reference and reference.choose(own), quantized.choose(own))
            parameter = level(data, pair.preprocess, corruption, severity)
            rows.append(_row(before, there, corruption, severity, parameter, seed))
    return rows, method([before.scorer(before.outputs)], seed)


def _row(
    before: Predictions, after: Predictions, corruption: Corruption, severity: int, parameter: float, seed: int
) -> Worse:
    quantized = after.scorer(after.outputs)
    if after.reference is None or before.reference is None:
        return Worse(corruption, severity, parameter, None, value(quantized), None, None)
    original, sign = after.scorer(after.reference), after.metric.sign
    four = [original, quantized, before.scorer(before.reference), before.scorer(before.outputs)]
    return Worse(
        corruption,
        severity,
        parameter,
        value(original),
        value(quantized),
        paired(four[:2], [sign, -sign], seed).at(),
        paired(four, [sign, -sign, -sign, sign], seed),
    )


def findings(rows: Sequence[Worse], title: str, unit: str) -> list[Finding]:
    """One for each corruption under which the quantized model falls behind, at the severity where it does most.

    Of m rows each interval has the confidence 1 - 0.05 / m, as those of slices.
    """
    judged = [row for row in rows if row.extra]
    worst: dict[str, tuple[float, Finding]] = {}
    for row in judged:
        assert row.extra is not None and row.float_value is not None
        low, high = row.extra.interval(1 - (1 - CONFIDENCE) / len(judged))
        more, name = row.extra.value, row.corruption.name
        worth = WORTH if unit == FRACTION else WORTH * abs(row.float_value)
        if low > 0 and more >= worth and more > worst.get(name, (0.0, None))[0]:
            worst[name] = more, _finding(row, more, low, high, len(judged), title, unit)
    return [finding for _, finding in worst.values()]


def _finding(row: Worse, more: float, low: float, high: float, many: int, title: str, unit: str) -> Finding:
    scale, points = (100.0, " points") if unit == FRACTION else (1.0, f" {unit}".rstrip())
    assert row.float_value is not None
    message = (
        f"With {row.corruption.name} of severity {row.severity} ({row.corruption.parameter} {row.level:g}) the "
        f"quantized model loses {scale * more:.3g}{points} of {title} more than it does on clean samples (float "
        f"{scale * row.float_value:.4g}, quantized {scale * row.value:.4g}; interval {scale * low:.3g} .. "
        f"{scale * high:.3g}, 95 % over {many} trials together)."
    )
    hint = "Put samples of that kind into the calibration data: its ranges cut them off."
    return Finding("corruption", "warning", message, hint, round(scale * more, 6), 0.0)


def places_of(data: Dataset, grouped: bool) -> list[int]:
    """The samples that are made worse."""
    found: list[int] = (np.arange(len(data)) if grouped else data.choose(MOST_SAMPLES)).tolist()
    return found
