"""Does what the steps make fill the model's input? Asked before anything is sent or computed."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from edgeq.preprocess.error import PreprocessError
from edgeq.preprocess.flow import unknown
from edgeq.preprocess.vocabulary import IMAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeq.preprocess.raw import Raw
    from edgeq.preprocess.spec import Preprocess


def check_fills(preprocess: Preprocess, raw: Raw, shape: Sequence[int]) -> None:
    """Raises PreprocessError where `raw` becomes more or fewer values than a model's input of `shape` has.

    Of the raw input only its shape and rate are looked at.
    """
    made = preprocess.output_shape(raw.array.shape, raw.rate_hz)
    if prod(made) == prod(shape):
        return
    wanted = list(shape[1:] or shape)
    raise PreprocessError(
        f"[preprocess] makes {list(made)} of an input of {list(raw.array.shape)}; the model wants {wanted}.",
        _colours(preprocess, made, wanted) or "Give another input, or change [preprocess] and build again.",
    )


def check_could_fill(preprocess: Preprocess, shape: Sequence[int]) -> None:
    """Raises PreprocessError where no raw input becomes as many values as a model's input of `shape` has.

    Sizes that follow from the raw input, such as the number of frames, may be any.
    """
    if preprocess.external is not None:
        return
    _, found = preprocess.plan(unknown(preprocess.input, preprocess.rate_hz))
    made = found[-1].shape
    known = prod(size for size in made if size is not None)
    fits = prod(shape) % known == 0 if None in made else prod(shape) == known
    if not fits:
        told = ", ".join("n" if size is None else str(size) for size in made)
        raise PreprocessError(
            f"[preprocess] makes [{told}]; the model's input is {list(shape[1:] or shape)}.",
            "Change the steps of [preprocess] to those that the model was trained with.",
        )


def _colours(preprocess: Preprocess, made: Sequence[int], wanted: Sequence[int]) -> str:
    """What to do where only grey and colour differ; empty where that is not it."""
    if preprocess.input != IMAGE or len(made) != 3 or not wanted:
        return ""
    pixels = made[0] * made[1]
    if {made[2], prod(wanted) // pixels} != {1, 3} or prod(wanted) % pixels:
        return ""
    have, order = ("grey", "rgb") if made[2] == 1 else ("coloured", "gray")
    step = f'{{ do = "colour", order = "{order}" }}'
    return f"The picture is {have}: put {step} into the steps of [preprocess], which takes both, and build again."
