"""Which corruptions suit an input, and a set made worse by one of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from edgeq.asked import SUITE
from edgeq.dataset import Dataset
from edgeq.errors import UsageError
from edgeq.evaluate.corrupt.audio import AUDIO
from edgeq.evaluate.corrupt.corruption import Corruption
from edgeq.evaluate.corrupt.images import IMAGES
from edgeq.evaluate.corrupt.tensors import TENSORS
from edgeq.interface import Array
from edgeq.preprocess import Preprocess, Raw
from edgeq.quantize.prepare import model_input, raw_input
from edgeq.quantize.samples import Samples

SUITES = {"image": IMAGES, "audio": AUDIO, "features": TENSORS}


def suite(data: Dataset, preprocess: Preprocess | None, wanted: Sequence[str]) -> tuple[Corruption, ...]:
    """Those that are `wanted`, of the kind of the data; `UsageError` for one that its kind does not have."""
    kind = _raw(data, 0, preprocess)[0].kind
    every = SUITES[kind]
    if tuple(wanted) == SUITE:
        return every
    names = [each.name for each in every]
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(names)}."
            raise UsageError(f"No corruption of {kind} is called '{name}'.", hint)
    return tuple(each for each in every if each.name in wanted)


def corrupted(
    data: Dataset,
    preprocess: Preprocess | None,
    places: Sequence[int],
    corruption: Corruption,
    severity: int,
    seed: int,
) -> Samples:
    """The samples at `places`, each made worse before it is preprocessed; the same every time."""

    def title(index: int) -> str:
        return f"{data.name(places[index])} of '{data.spec}'"

    def read(index: int) -> list[Array]:
        raws = _raw(data, places[index], preprocess)
        worse = (corruption.corrupt(raw, severity, (seed, places[index], number)) for number, raw in enumerate(raws))
        return [model_input(raw, preprocess, title(index)) for raw in worse]

    return Samples(data.inputs, len(places), read, title)


def level(data: Dataset, preprocess: Preprocess | None, corruption: Corruption, severity: int) -> float:
    """The parameter for the first sample."""
    return corruption.level(_raw(data, 0, preprocess)[0], severity)


def _raw(data: Dataset, index: int, preprocess: Preprocess | None) -> list[Raw]:
    """Raw inputs as the preprocessing takes them; what is the model's own input already is numbers."""
    return [_whole(raw_input(raw, preprocess) or raw) for raw in data.read(index)]


def _whole(raw: Raw) -> Raw:
    return raw if raw.array.dtype != np.bool_ else Raw(raw.array.astype(np.uint8), raw.rate_hz)
