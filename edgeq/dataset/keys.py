"""By which names samples, labels and the rest are found where data has named parts."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.errors import UsageError

SAMPLE_KEYS = ("x", "X", "images", "data", "features", "inputs")
LABEL_KEYS = ("y", "Y", "label", "labels", "target", "targets", "class")
RATE_KEYS = ("rate_hz", "sample_rate", "sampling_rate", "audio/sample_rate")
CLASS_KEYS = ("classes", "class_names", "label_names")


def first(names: Sequence[str], among: Sequence[str]) -> str | None:
    """The first of `names` that is there."""
    return next((name for name in names if name in among), None)


def choose_inputs(wanted: tuple[str, ...], names: Sequence[str], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(keys to read, names of the inputs): the wanted ones, else one with a usual name, else all of `names`.

    A single array is the input "x". `names` holds no labels and the like; `UsageError` where nothing is left.
    """
    if len(wanted) > 1 and all(name in names for name in wanted):
        return wanted, wanted
    there = [name for name in wanted if name in names]
    if len(wanted) > 1 and there:
        missing = next(name for name in wanted if name not in names)
        raise UsageError(
            f"'{where}' has nothing for the model's input '{missing}'; it has {', '.join(names)}.",
            f"The model's inputs are {', '.join(wanted)}: name the data so.",
        )
    usual = first((*wanted, *SAMPLE_KEYS), names)
    keys = (usual,) if usual else tuple(names)
    if not keys:
        raise UsageError(
            f"'{where}' holds no samples: nothing in it is named like some.",
            f"Name the samples one of {', '.join(SAMPLE_KEYS)} and the labels one of {', '.join(LABEL_KEYS)}.",
        )
    return keys, ("x",) if len(keys) == 1 else keys
