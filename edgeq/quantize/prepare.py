"""Samples for a model out of a dataset: read, preprocessed as the project says, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edgeq.dataset import Dataset
from edgeq.dataset.columns import read_columns
from edgeq.errors import UsageError
from edgeq.evaluate.labelled import Labelled
from edgeq.interface import Array
from edgeq.preprocess import Preprocess, PreprocessError, Raw
from edgeq.preprocess.vocabulary import AUDIO, IMAGE
from edgeq.quantize.samples import Samples, sentence


def prepared(data: Dataset, preprocess: Preprocess | None, indices: Sequence[int]) -> Samples:
    """The samples at `indices`, as the model's inputs. `UsageError` names a sample that `preprocess` cannot take."""

    def title(place: int) -> str:
        return f"{data.name(indices[place])} of '{data.spec}'"

    def read(place: int) -> list[Array]:
        return [model_input(raw, preprocess, title(place)) for raw in data.read(indices[place])]

    return Samples(data.inputs, len(indices), read, title)


def labelled(
    data: Dataset,
    preprocess: Preprocess | None,
    progress: Callable[[str], None] = lambda _: None,
    columns: Sequence[str] = (),
) -> Labelled:
    """The whole of a labelled set with these columns; `UsageError` where it has no labels."""
    labels, every = data.labels, range(len(data))
    targets = data.require_targets() if labels is None else None
    beside = read_columns(data, columns)
    digest = data.digest(progress=progress)
    return Labelled(prepared(data, preprocess, every), labels, digest, data.spec, targets, beside, data.notes)


def model_input(raw: Raw, preprocess: Preprocess | None, title: str = "the input") -> Array:
    """What the model sees of one raw input, before quantization."""
    taken = raw_input(raw, preprocess)
    if taken is None or preprocess is None:
        return np.asarray(raw.array)
    try:
        made: Array = preprocess.apply(taken)
    except PreprocessError as error:
        raise UsageError(f"{sentence(title)}: {error.message}", error.hint) from error
    return made


def raw_input(raw: Raw, preprocess: Preprocess | None) -> Raw | None:
    """`raw` as `preprocess` takes it; None where it is the model's own input already.

    In arrays, int16 [n] is audio at the rate that the steps expect and uint8 [h, w, 1 or 3] an image; other numbers
    were preprocessed before they were saved.
    """
    if preprocess is None or preprocess.external is not None:
        return None
    if preprocess.input == AUDIO and not raw.rate_hz:
        audio = raw.array.dtype == np.int16 and raw.array.ndim == 1
        return replace(raw, rate_hz=preprocess.rate_hz) if audio else None
    if preprocess.input == IMAGE and (raw.array.dtype != np.uint8 or raw.array.ndim != 3):
        return None
    return raw
