"""`baseline.json`: what inputs, scores and classes looked like at the build, for a device to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.interface import Interface
from edgeq.model.tflite import ModelInfo
from edgeq.passport.histogram import Bins
from edgeq.passport.inputs import Observed, bins_for, observe
from edgeq.passport.score import Score, counted, score_of
from edgeq.quantize.samples import Samples

MEMBER = "baseline.json"
KIND = "edgeq-baseline"
SCHEMA = 1
CALIBRATION, EVALUATION = "calibration", "evaluation"


@dataclass(frozen=True)
class SetSeen:
    """The samples of one set, their class numbers where they have such, and the digest of their content."""

    samples: Samples
    labels: NDArray[Any] | None
    data_sha256: str


@dataclass(frozen=True)
class InputsSeen:
    """For each set the inputs as they were observed, with edges that all sets share."""

    sets: Mapping[str, SetSeen]
    bins: tuple[Bins, ...]
    observed: Mapping[str, list[Observed]]


def see_inputs(interface: Interface, sets: Mapping[str, SetSeen]) -> InputsSeen:
    """Read every sample of every set; of inputs that are floats the first set tells the edges."""
    if not sets:
        return InputsSeen({}, (), {})
    bins = bins_for(interface.inputs, next(iter(sets.values())).samples)
    observed = {name: observe(interface.inputs, bins, each.samples) for name, each in sets.items()}
    return InputsSeen(sets, bins, observed)


def baseline(
    interface: Interface,
    info: ModelInfo,
    seen: InputsSeen,
    outputs: Mapping[str, NDArray[np.float32]],
    *,
    model_sha256: str,
    kernels: str,
) -> dict[str, Any] | None:
    """The document (docs/passport.md); `outputs` holds the real values (n, m) of the last output for each set. None
    where there is no set."""
    if not seen.sets:
        return None
    score = score_of(interface, info)
    scores = {name: score.values(interface, each.samples, outputs[name]) for name, each in seen.sets.items()}
    edges = score.bins(interface, next(iter(scores.values())))
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "model_sha256": model_sha256,
        "kernels": kernels,
        "inputs": [
            {"name": tensor.name, "edges": list(bins.edges)}
            for tensor, bins in zip(interface.inputs, seen.bins, strict=True)
        ],
        "score": {"kind": score.kind, "output": interface.outputs[-1].name, "edges": list(edges.edges)},
        "classes": {"count": score.classes, "labels": list(interface.labels)},
        "sets": {
            name: {
                "samples": len(each.samples),
                "data_sha256": each.data_sha256,
                "inputs": [observed.histogram.to_json() for observed in seen.observed[name]],
                "score": _histogram(edges, scores[name]),
                "predicted": score.predicted(outputs[name]),
                "labelled": _labelled(score, each.labels),
            }
            for name, each in seen.sets.items()
        },
    }


def _histogram(bins: Bins, values: NDArray[np.float64]) -> dict[str, Any]:
    found = bins.counter()
    found.add(values)
    return found.to_json()


def _labelled(score: Score, labels: NDArray[Any] | None) -> list[int] | None:
    """How often each class was the right one; None where labels are not numbers of classes."""
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu" or not score.classes:
        return None
    return counted(labels, score.classes)
