"""Does a model know what it does not know? In- and out-of-distribution samples told apart by its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.evaluate.confidence import how, probabilities
from edgeq.evaluate.predict import Said
from edgeq.evaluate.resample import CONFIDENCE, SEED, method, paired
from edgeq.evaluate.scorer import Ranked, value
from edgeq.evaluate.slices import WORTH
from edgeq.finding import Finding

PROBABILITY = "largest probability"
ERROR = "error of reconstruction, negated"


def novelty(
    before: tuple[Said, Said] | None, after: tuple[Said, Said], sha256: str, seed: int = SEED
) -> tuple[dict[str, Any], list[Finding]]:
    """(in, out) of the float model or None, and of the quantized one -> a document without rounding, and findings.

    AUROC: how often a sample of the evaluation set has a higher score than one of the other set; 0.5 is chance.
    """
    rebuilds = after[0].errors is not None
    if not rebuilds and after[0].outputs.shape[1] < 2 and how(after[0].outputs) != "outputs":
        raise UsageError(
            "The model gives one number that is no probability, so nothing tells how sure it is.",
            "Leave --out-of-distribution out.",
        )
    way = how((before or after)[0].outputs)
    quantized, original = _ranked(after, way), _ranked(before, way) if before else None
    scorers = [quantized] if original is None else [original, quantized]
    loss = paired(scorers, [1, -1], seed) if original else None
    interval = loss.at() if loss else None
    document = {
        "samples": len(after[1].outputs),
        "data_sha256": sha256,
        "score": ERROR if rebuilds else PROBABILITY,
        "float_auroc": value(original) if original else None,
        "auroc": value(quantized),
        "drop": interval and interval.value,
        "drop_low": interval and interval.low,
        "drop_high": interval and interval.high,
        "confidence": CONFIDENCE,
        "method": method(scorers, seed),
    }
    if interval is None or interval.low <= 0 or interval.value < WORTH:
        return document, []
    after_auroc = value(quantized)
    message = (
        f"The quantized model tells samples of another kind worse from its own: AUROC "
        f"{100 * (after_auroc + interval.value):.1f} to {100 * after_auroc:.1f} by its {document['score']} (loss "
        f"{100 * interval.low:.2g} .. {100 * interval.high:.2g} points)."
    )
    hint = "Set the threshold anew, on outputs of the quantized model."
    return document, [Finding("out-of-distribution", "warning", message, hint, round(100 * interval.value, 6), 0.0)]


def _ranked(said: Sequence[Said], way: str) -> Ranked:
    scores = [_score(each, way) for each in said]
    own = np.repeat([True, False], [len(each) for each in scores])
    return Ranked(np.concatenate(scores)[:, None], own[:, None])


def _score(said: Said, way: str) -> NDArray[np.float64]:
    if said.errors is not None:
        return -said.errors
    return np.asarray(probabilities(said.outputs, way).max(axis=1), np.float64)
