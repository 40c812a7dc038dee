"""Samples with what is true of each, and how predictions are made of rows that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.dataset.spool import room
from edgeq.errors import UsageError
from edgeq.evaluate.predict import Said
from edgeq.quantize.samples import Samples

Array = NDArray[Any]


@dataclass(frozen=True)
class Labelled:
    """Samples with the class number of each (n,), or None and `targets` (n, ...): numbers of a regression, or masks.

    `columns` are texts beside the samples, by name. `sha256` is that of the content; `title` and `notes` are for
    people.
    """

    samples: Samples
    labels: NDArray[np.int64] | None
    sha256: str
    title: str = "the data"
    targets: Array | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def truth(self) -> Array:
        """What is true of each sample: class numbers, or the targets."""
        found = self.labels if self.targets is None else self.targets
        assert found is not None
        return found

    def choose(self, places: Sequence[int]) -> Labelled:
        """Those at `places`, in that order; the digest stays that of all."""
        at = list(places)
        return replace(
            self,
            samples=self.samples.choose(at),
            labels=None if self.labels is None else self.labels[at],
            targets=None if self.targets is None else self.targets[at],
            columns={name: tuple(values[place] for place in at) for name, values in self.columns.items()},
        )

    def check(self) -> None:
        """`UsageError` where there is nothing, or not a label for each sample."""
        if not len(self):
            raise UsageError(f"'{self.title}' holds no samples.", "Give labelled samples, better hundreds.")
        if len(self.truth) != len(self):
            raise UsageError(
                f"'{self.title}' has {len(self)} samples and {len(self.truth)} labels.",
                "Give one label for every sample.",
            )


def together(data: Labelled, column: str, said: Said) -> tuple[Labelled, Said]:
    """Rows with the same text in `column` as one sample, whose outputs and errors are the means of theirs.

    `UsageError` where rows of one differ in their label; of other columns it is told where slices are made.
    """
    names, first, of = np.unique(np.array(data.columns[column]), return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.argsort(order)[of]
    first, counts = first[order], np.bincount(place)
    odd = _odd(data.truth, first[place])
    if odd is not None:
        raise UsageError(
            f"The rows of '{data.columns[column][odd]}' by '{column}' of '{data.title}' differ in their labels.",
            "Give all rows of one the same label, or leave the grouping out.",
        )

    members = np.split(np.argsort(place, kind="stable"), np.cumsum(counts)[:-1])

    def means(rows: Array) -> Array:
        found = room((len(names), *rows.shape[1:]), rows.dtype, "what the model says of the groups")
        for number, of_one in enumerate(members):
            found[number] = rows[of_one].mean(axis=0, dtype=np.float64)
        return found

    errors = None if said.errors is None else means(said.errors)
    return data.choose(first.tolist()), Said(means(said.outputs), None, errors)


def _odd(truth: Array, first: NDArray[np.int64]) -> int | None:
    """A row whose label is not that of the first row of its group."""
    same = (truth == truth[first]).reshape(len(truth), -1).all(axis=1)
    return None if same.all() else int((~same).argmax())
