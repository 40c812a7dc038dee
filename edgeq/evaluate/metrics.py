"""The metrics by name: what a model's outputs are worth beside what is true. `score(outputs, labels, "f1")`.

| name | of | better |
|---|---|---|
| accuracy | classes: the largest output is right (of one output: 0.5, or 0 where it is no probability) | higher |
| top-K | classes: the right one is among the K largest outputs | higher |
| f1 | classes: harmonic mean of precision and recall, a mean over the classes that occur | higher |
| auc | classes: area below the ROC curve; of several classes a mean of each against the rest | higher |
| miou | masks: intersection over union, a mean over the classes that occur | higher |
| mae, mse | numbers: mean absolute or squared error | lower |
| module:function | whatever it does of (outputs, labels): one number, or one for each sample | higher, or as it says |
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.usercode import PATTERN, Code, find
from edgeq.errors import UsageError
from edgeq.evaluate.scorer import Called, Mean, Ranked, Scorer, Sums, Tallies, known_mean, value
from edgeq.quantize.outputs import parts

Array = NDArray[Any]
CLASSES, MASKS, NUMBERS, ANY = "classes", "masks", "numbers", "any"
FRACTION = "fraction"
VOID = 255
"""A pixel of a mask that counts for nothing, as is usual; negative ones do not count either."""
_MOST_TOP = re.compile(r"top-([1-9]\d{0,3})")


@dataclass(frozen=True)
class Metric:
    """`labels`: what it compares with. `unit` is "fraction" where it lies between 0 and 1, else that of the labels."""

    name: str
    title: str
    labels: str
    make: Callable[[Array, Array], Scorer]
    higher: bool = True
    unit: str = FRACTION

    def scorer(self, outputs: Array, labels: Array) -> Scorer:
        """`outputs` (n, ...) are real values, `labels` class numbers (n,), masks (n, h, w) or numbers (n, ...)."""
        return self.make(outputs, labels)

    @property
    def sign(self) -> int:
        """Times the float model's number less the quantized one's it is a loss."""
        return 1 if self.higher else -1


def metric(name: str, folder: Path | None = None) -> Metric:
    """By its name; code of the user's is imported from `folder`. `UsageError` for one that nobody knows."""
    if name in METRICS:
        return METRICS[name]
    top = _MOST_TOP.fullmatch(name)
    if top:
        most = int(top[1])
        return Metric(name, f"top-{most} accuracy", CLASSES, lambda outputs, labels: _top(outputs, labels, most))
    if PATTERN.fullmatch(name):
        return _own(name, folder or Path.cwd())
    raise UsageError(
        f"There is no metric '{name}'.", f"There are {', '.join(METRICS)}, top-K such as top-5, and module:function."
    )


def score(outputs: Array, labels: Array, wanted: Metric | str) -> float:
    """One number for all samples."""
    found = metric(wanted) if isinstance(wanted, str) else wanted
    return value(found.scorer(outputs, labels))


def rows(outputs: Array) -> Array:
    """(n, ...) -> (n, m)."""
    return outputs.reshape(len(outputs), -1)


def decisions(outputs: Array) -> NDArray[np.int64]:
    """The class that each row (n, m) decides for."""
    flat = rows(outputs)
    if flat.shape[1] > 1:
        return np.asarray(flat.argmax(axis=1), np.int64)
    probable = flat.min(initial=0) >= 0 and flat.max(initial=0) <= 1
    return np.asarray(flat[:, 0] > (0.5 if probable else 0), np.int64)


def _accuracy(outputs: Array, labels: Array) -> Scorer:
    return Mean((decisions(outputs) == labels).astype(np.float64))


def _top(outputs: Array, labels: Array, most: int) -> Scorer:
    """Of equal outputs the first ones count as larger, as in accuracy."""
    flat = rows(outputs)
    own = flat[np.arange(len(flat)), labels][:, None]
    first = np.arange(flat.shape[1])[None] < labels[:, None]
    before = ((flat > own) | ((flat == own) & first)).sum(axis=1)
    return Mean((before < most).astype(np.float64))


def _f1(outputs: Array, labels: Array) -> Scorer:
    numbers, said = np.unique(labels), decisions(outputs)
    columns = [
        *((labels == number) & (said == number) for number in numbers),
        *(labels == number for number in numbers),
        *(said == number for number in numbers),
    ]
    return Tallies([np.flatnonzero(column) for column in columns], _finish_f1, len(labels))


def _finish_f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    both, true, said = np.split(sums, 3, axis=1)
    return _mean_share(2 * both, true + said)


def _mean_share(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of fractions (r, k) along the last axis, without those that have nothing below."""
    return known_mean(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))


def _auc(outputs: Array, labels: Array) -> Scorer:
    flat = rows(outputs).astype(np.float64)
    if flat.shape[1] <= 2:
        return Ranked(flat[:, -1:], (labels == 1)[:, None])
    numbers = np.unique(labels)
    return Ranked(flat[:, numbers], labels[:, None] == numbers)


def _miou(outputs: Array, labels: Array) -> Scorer:
    masks = known_pixels(outputs, labels)
    return overlap(pixels(outputs, masks.shape[1]), masks)


def known_pixels(outputs: Array, labels: Array) -> NDArray[np.int32]:
    """Masks (n, ...) -> the class of each pixel (n, count), -1 where it counts for nothing."""
    masks = rows(labels)
    many = rows(outputs).shape[1] // masks.shape[1] > VOID
    return np.where((masks >= 0) & ((masks != VOID) | many), masks, -1).astype(np.int32)


def overlap(said: Array, masks: NDArray[np.int32]) -> Scorer:
    """Mean IoU of what was decided for each pixel, both (n, count); a mask is negative where a pixel does not count."""
    counts = masks >= 0
    numbers = np.unique(masks[counts])
    both, either = [], []
    for number in numbers:
        true, here = (masks == number) & counts, (said == number) & counts
        both.append((true & here).sum(axis=1))
        either.append((true | here).sum(axis=1))
    parts = np.array([*both, *either], np.float64).T.reshape(len(masks), -1)
    return Sums(parts, lambda sums: _mean_share(*np.split(sums, 2, axis=1)))


def pixels(outputs: Array, count: int) -> NDArray[np.uint16]:
    """The class of each of `count` pixels, (n, count); the classes are the last axis of the outputs."""
    flat = rows(outputs)
    if flat.shape[1] % count:
        raise UsageError(
            f"The masks have {count} pixels; the model's output has {flat.shape[1]} values, which is no multiple.",
            "Give masks of the size of the model's output.",
        )
    if flat.shape[1] == count:
        return np.asarray(flat > (0.5 if flat.min() >= 0 and flat.max() <= 1 else 0), np.uint16)
    decided = [part.reshape(len(part), count, -1).argmax(axis=2).astype(np.uint16) for part in parts(flat)]
    return np.concatenate(decided)


def _error(outputs: Array, labels: Array, power: int) -> Scorer:
    flat, true = rows(outputs), rows(labels)
    if flat.shape != true.shape:
        raise UsageError(
            f"The label of a sample has {_told(true.shape[1])}, the model's output has {_told(flat.shape[1])}.",
            "Give one number for each value of the output.",
        )
    errors = [
        (np.abs(one.astype(np.float64) - other.astype(np.float64)) ** power).mean(axis=1)
        for one, other in zip(parts(flat), parts(true), strict=True)
    ]
    return Mean(np.concatenate(errors))


def _told(count: int) -> str:
    return f"{count} number{'s' * (count != 1)}"


def _own(spec: str, folder: Path) -> Metric:
    """A function of the user's; it may say `function.higher_is_better = False` and `function.unit = "degrees"`."""
    code = Code(spec, folder.resolve())
    function = find(code)
    if not callable(function):
        raise UsageError(f"'{spec}' is no function.", "Give one that takes (outputs, labels).")

    def call(outputs: Array, labels: Array) -> Array:
        with code.running():
            found = np.asarray(function(outputs, labels))
        if found.dtype.kind not in "iufb" or found.shape not in ((), (len(outputs),)) or not np.isfinite(found).all():
            raise UsageError(
                f"'{spec}' gave what is neither a finite number nor one for each of the {len(outputs)} samples.",
                "Return a number, or an array with one number for each sample.",
            )
        return found.astype(np.float64)

    def make(outputs: Array, labels: Array) -> Scorer:
        found = call(outputs, labels)
        if found.shape and len(outputs) > 1:
            return Mean(found)
        return Called(outputs, labels, lambda some, true: float(call(some, true).reshape(-1)[0]))

    higher = bool(getattr(function, "higher_is_better", True))
    return Metric(spec, spec, ANY, make, higher, str(getattr(function, "unit", "")))


METRICS = {
    each.name: each
    for each in (
        Metric("accuracy", "accuracy", CLASSES, _accuracy),
        Metric("f1", "F1 (macro)", CLASSES, _f1),
        Metric("auc", "AUC", CLASSES, _auc),
        Metric("miou", "mean IoU", MASKS, _miou),
        Metric("mae", "mean absolute error", NUMBERS, lambda outputs, labels: _error(outputs, labels, 1), False, ""),
        Metric("mse", "mean squared error", NUMBERS, lambda outputs, labels: _error(outputs, labels, 2), False, ""),
    )
}
