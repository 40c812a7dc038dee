"""What the checks look at: facts of the samples as they were read, and what a float model did with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.model.norms import Norm

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

NAMED = 5
"""So many samples are named in a message."""


@dataclass(frozen=True)
class SetFacts:
    """One set of `total` samples, of which some were read. Arrays have one row for each of `names`: extremes, mean and
    standard deviation of what the model sees (its first input), `prints` to compare samples by, the SHA-256 of their
    content, of audio the share of values at full scale and the RMS (of int16), and how neighbouring values correlate.

    `labels` are of the samples that were read, `counts` by class number of all; None where there are none. `few` and
    `few_raw` are some of the samples, as the model sees them and as they were read. `broken` says what was wrong with
    each sample that could not be read."""

    spec: str
    total: int
    kind: str
    dtype: str
    names: tuple[str, ...]
    labels: Numbers | None
    counts: Mapping[int, int] | None
    classes: tuple[str, ...]
    broken: tuple[str, ...]
    digests: tuple[str, ...]
    prints: Floats
    lows: Floats
    highs: Floats
    means: Floats
    deviations: Floats
    clipped: Floats
    loudness: Floats
    smooth: Floats
    whole: bool
    few: tuple[NDArray[Any], ...]
    few_raw: tuple[NDArray[Any], ...]

    def __len__(self) -> int:
        return len(self.names)

    def class_name(self, number: int) -> str:
        """For people."""
        return self.classes[number] if number < len(self.classes) else str(number)


@dataclass(frozen=True)
class NormFit:
    """How the channels of the first layer compare with what its batch norm left of the training data: `ratio` of the
    deviations in the median, `offset` of the means in deviations (RMS), both in one `distance`. With the change of
    scale that `title` names it would be `changed`."""

    ratio: float
    offset: float
    distance: float
    title: str = ""
    changed: float = math.inf


@dataclass(frozen=True)
class FirstLayer:
    """The first convolution or dense layer before its activation: mean and standard deviation of each channel over all
    samples and places. `normalized` where the names in the file say that a batch norm was folded into it; `fit` where
    the model was given as Keras and so its batch norm is known."""

    name: str
    normalized: bool
    means: Floats
    deviations: Floats
    fit: NormFit | None = None


@dataclass(frozen=True)
class TensorUse:
    """One tensor over all samples: `used` is the share of its range that 99.9 % of its values lie in, `alone` the
    factor by which one sample alone widens it, `sample` the place of that sample; `dead` the share of channels that are
    never above 0 where it is the output of a ReLU, else 0."""

    name: str
    low: float
    high: float
    used: float
    alone: float
    sample: int
    dead: float


@dataclass(frozen=True)
class Trial:
    """The same samples, changed as `title` says, `count` of them. Of a classifier: `right` answers `as_given` and
    `changed`, `gained` and `lost` by the change (0 without labels); `told` is how much an answer tells of the sample in
    shares of what it could, before and after; `margin` is the factor of the margin in the median, `surer` by how many
    standard errors the entropy of an answer falls. Of an autoencoder: `error` is the median factor of the error,
    `surer` the share of samples with less."""

    title: str
    kind: str
    count: int
    as_given: int = 0
    changed: int = 0
    gained: int = 0
    lost: int = 0
    told: tuple[float, float] = (0.0, 0.0)
    surer: float = 0.0
    margin: float = 1.0
    error: float = 1.0


@dataclass(frozen=True)
class Point:
    """The SQNR of an int8 model's answers on samples that it was not calibrated on, one figure for each draw of `size`
    calibration samples."""

    size: int
    sqnr_db: tuple[float, ...]

    @property
    def median_db(self) -> float:
        """Over the draws."""
        return float(np.median(self.sqnr_db))


@dataclass(frozen=True)
class ModelFacts:
    """What the float model did. `answers` (n, m) are its last output before a softmax, `classes` how many classes it
    knows (0: it is no classifier), `extremes` (tensors, n) the largest magnitude of each tensor for each sample, the
    inputs first. `features` (n, f) and `features_evaluation` are of the first layers."""

    classes: int
    autoencoder: bool
    generator: bool
    input_dtype: str
    answers: Floats
    extremes: Floats
    tensors: tuple[TensorUse, ...]
    first: FirstLayer | None
    features: Floats
    features_evaluation: Floats
    trials: tuple[Trial, ...]
    curve: tuple[Point, ...]


@dataclass(frozen=True)
class Evidence:
    """All that is known; `model` is None where no float model was given, `evaluation` where no evaluation set was,
    `norm` where it was none of Keras whose first layers say what they expect."""

    calibration: SetFacts
    evaluation: SetFacts | None = None
    model: ModelFacts | None = None
    class_count: int = 0
    norm: Norm | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)


def told(names: Sequence[str], more: int | None = None) -> str:
    """The first names, and how many others there are."""
    count = len(names) if more is None else more
    listed = ", ".join(names[:NAMED])
    return listed if count <= NAMED else f"{listed} and {count - NAMED} more"
