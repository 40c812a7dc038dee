from __future__ import annotations

import numpy as np

from edgeq.evaluate.corrupt.tensors import TENSORS
from edgeq.evaluate.evaluation import Predictions
from edgeq.evaluate.labelled import Labelled
from edgeq.evaluate.metrics import metric
from edgeq.evaluate.robustness import _row, findings
from edgeq.quantize.samples import as_samples

LABELS = np.arange(400) % 2
(NOISE,) = TENSORS


def _predictions(float_right: float, right: float) -> Predictions:
    """Both models are right on that share of the samples."""
    said = [np.eye(2)[np.where(np.arange(400) < 400 * share, LABELS, 1 - LABELS)] for share in (float_right, right)]
    data = Labelled(as_samples(np.zeros((400, 1))), LABELS, "")
    return Predictions(data, metric("accuracy"), "accuracy", said[1], said[0])


def test_what_counts_is_what_is_lost_beyond_the_clean_samples() -> None:
    clean = _predictions(0.95, 0.90)
    rows = [_row(clean, _predictions(0.8, quantized), NOISE, 4, 0.3, 0) for quantized in (0.75, 0.6)]
    told = [row.to_json() for row in rows]
    assert [round(row["extra"], 6) for row in told] == [0.0, 0.15] and round(told[1]["drop"], 6) == 0.2
    assert told[1]["extra_low"] > 0.1 and (told[1]["severity"], told[1]["level"]) == (4, 0.3)
    assert findings(rows[:1], "accuracy", "fraction") == []
    (finding,) = findings(rows, "accuracy", "fraction")
    assert finding.code == "corruption" and finding.actual == 15.0
    assert "With noise of severity 4 (share of the standard deviation 0.3) the quantized model loses 15 points" in (
        finding.message
    )


def test_a_corruption_is_told_once_at_its_worst() -> None:
    clean = _predictions(0.95, 0.95)
    rows = [
        _row(clean, _predictions(0.8, quantized), NOISE, severity, 0.1, 0)
        for severity, quantized in ((1, 0.7), (2, 0.5))
    ]
    (finding,) = findings(rows, "accuracy", "fraction")
    assert finding.actual == 30.0 and "severity 2" in finding.message
