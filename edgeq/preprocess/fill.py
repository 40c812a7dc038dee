"""Does what the steps make of a raw input fill the model's? Asked before anything is sent or computed."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from edgeq.preprocess.error import PreprocessError
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
