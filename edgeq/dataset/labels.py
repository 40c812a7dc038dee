"""Labels as they are found (class numbers, one-hot rows, texts) -> class numbers and the names of the classes."""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError

MOST_CLASSES = 100_000
"""More different labels than this are no classes."""


@dataclass(frozen=True)
class Labels:
    """`numbers`: the class number of every sample; None where there are none, and then `why`, the end of a sentence.

    `targets` reads labels that are no classes: numbers (n,) or (n, ...) of a regression, masks (n, h, w); `target` that
    of one sample, where this needs not all of them. `columns` are texts beside the samples, of those that were asked
    for, by name.
    """

    numbers: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    why: str = "has no labels"
    targets: Callable[[], NDArray[Any]] | None = None
    target: Callable[[int], NDArray[Any]] | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def chosen(self, places: Sequence[int]) -> Labels:
        """Those of the samples at `places`, in that order."""
        taken, targets, target = list(places), self.targets, self.target
        return replace(
            self,
            numbers=None if self.numbers is None else self.numbers[taken],
            targets=(lambda: targets()[taken]) if targets else None,
            target=(lambda place: target(taken[place])) if target else None,
            columns={name: tuple(values[place] for place in taken) for name, values in self.columns.items()},
        )


NONE = Labels()
NOT_CLASSES = Labels(why="has labels that are neither class numbers (0, 1, ...), one-hot rows nor names of classes")
TOO_MANY = Labels(why=f"has more than {MOST_CLASSES:,} different labels, which are no classes")


def from_numbers(rows: NDArray[Any], classes: tuple[str, ...], where: str) -> Labels:
    """`rows` (n,) or (n, 1) hold class numbers, or (n, m) one-hot rows; `where` is the name of the data."""
    flat = rows.reshape(len(rows), -1)
    if flat.dtype.kind not in "iufb" or not np.isfinite(flat).all():
        return NOT_CLASSES
    if flat.shape[1] != 1:
        one_hot = ((flat == 0) | (flat == 1)).all() and (flat.sum(axis=1) == 1).all()
        return known(flat.argmax(axis=1).astype(np.int64), classes, where) if one_hot else NOT_CLASSES
    column = flat[:, 0]
    if (column < 0).any() or (column >= 2**31).any() or (column != np.floor(column)).any():
        return NOT_CLASSES
    return known(column.astype(np.int64), classes, where)


def known(numbers: NDArray[np.int64], classes: tuple[str, ...], where: str) -> Labels:
    """Class numbers, each of which must be one of `classes` where these are given."""
    if classes and len(numbers) and numbers.max() >= len(classes):
        from_one = numbers.min() == 1 and numbers.max() == len(classes)
        raise UsageError(
            f"'{where}' has labels up to {numbers.max()}; there are {len(classes)} names of classes.",
            "The first class is 0: subtract 1." if from_one else "Name every class, in the order of their numbers.",
        )
    return Labels(numbers, classes)


def renumbered(found: Labels, classes: tuple[str, ...], where: str) -> Labels:
    """The same labels by the order of `classes`; `UsageError` for one whose name is not among these."""
    if found.numbers is None or not found.classes or not classes or found.classes == classes:
        return found
    used = np.unique(found.numbers).tolist()
    unknown = next((found.classes[number] for number in used if found.classes[number] not in classes), None)
    if unknown is not None:
        raise stranger(unknown, classes, where)
    places = [classes.index(name) if name in classes else -1 for name in found.classes]
    return replace(found, numbers=np.array(places, np.int64)[found.numbers], classes=classes)


class LabelReader:
    """Labels that come one by one as texts; holds four bytes for each."""

    def __init__(self, classes: tuple[str, ...], where: str) -> None:
        self._classes, self._where = classes, where
        self._codes: dict[str, int] = {}
        self._found = array("i")
        self._overflow = False

    def add(self, text: str) -> None:
        """The label of the next sample."""
        if not self._overflow:
            self._found.append(self._codes.setdefault(text, len(self._codes)))
            self._overflow = len(self._codes) > MOST_CLASSES

    def finish(self) -> Labels:
        """Whole numbers are class numbers, fractions no classes, anything else names, numbered in sorted order."""
        if self._overflow:
            return TOO_MANY
        if not self._codes:
            return NONE
        texts, codes = list(self._codes), np.frombuffer(self._found, np.int32)
        if self._classes and all(text in self._classes for text in texts):
            place = {name: number for number, name in enumerate(self._classes)}
            return Labels(_mapped([place[text] for text in texts], codes), self._classes)
        values = [_number(text) for text in texts]
        if all(value is not None for value in values):
            rows = np.array([value for value in values if value is not None], np.float64)
            found = from_numbers(rows, self._classes, self._where)
            if found.numbers is None:
                return replace(found, targets=lambda: rows[codes])
            return Labels(found.numbers[codes], found.classes)
        if self._classes:
            raise stranger(next(text for text in texts if text not in self._classes), self._classes, self._where)
        names = tuple(sorted(texts))
        place = {name: number for number, name in enumerate(names)}
        return Labels(_mapped([place[text] for text in texts], codes), names)


def _mapped(numbers: list[int], codes: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)[codes]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def stranger(text: str, classes: tuple[str, ...], where: str) -> UsageError:
    """A label that none of the known classes has."""
    near = difflib.get_close_matches(text, classes, 1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Known classes: {', '.join(classes[:12])}."
    return UsageError(f"'{where}' has the label '{text}', which is no name of a class.", hint)
