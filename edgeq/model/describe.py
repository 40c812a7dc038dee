"""The interface of a model, from what its file says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from edgeq.errors import ConvertError, UsageError
from edgeq.interface import DTYPES, Interface, Tensor
from edgeq.model.tflite import ModelInfo, TensorInfo


def describe(model: ModelInfo, labels: Sequence[str] = ()) -> Interface:
    """The interface of `model`; `UsageError` where the number of labels is not that of the last output's values,
    `ConvertError` for inputs and outputs that no application could use."""
    check_ends(model)
    interface = Interface(
        tuple(_tensor(tensor) for tensor in model.inputs),
        tuple(_tensor(tensor) for tensor in model.outputs),
        tuple(labels),
    )
    classes = math.prod(interface.outputs[-1].shape[1:])
    if labels and len(labels) != classes:
        values = f"{classes} value{'s' * (classes != 1)}"
        raise UsageError(
            f"There are {len(labels)} labels; the model's output '{interface.outputs[-1].name}' has {values}.",
            "Give one label per value, in order.",
        )
    return interface


def check_ends(model: ModelInfo) -> None:
    """`ConvertError` where a model has no inputs or no outputs, or an input without a fixed shape."""
    for what, tensors in (("input", model.inputs), ("output", model.outputs)):
        if not tensors:
            raise ConvertError(f"The model has no {what}.", "Save it again, with its inputs and outputs.")
    for name, shape in model.open_inputs:
        raise ConvertError(
            f"The model's input '{name}' has the shape {shape}; every axis but the first must have a fixed size.",
            "Give the input a full shape and convert the model again.",
        )


def read_labels(labels: Sequence[str] | Path | None) -> tuple[str, ...]:
    """Labels as they are, or one per line of a text file; empty lines at its end do not count."""
    if not isinstance(labels, Path):
        return tuple(labels or ())
    try:
        text = labels.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"The labels '{labels}' cannot be read: {reason}.", "Give a text file in UTF-8, one label per line."
        ) from error
    if not text.strip():
        raise UsageError(f"The file of labels '{labels}' is empty.", "Write one label per line, or leave it out.")
    return tuple(line.strip() for line in text.rstrip().splitlines())


def _tensor(tensor: TensorInfo) -> Tensor:
    fixed = bool(tensor.shape) and tensor.shape[0] == 1 and 0 not in tensor.shape
    if tensor.dtype not in DTYPES or len(tensor.scales) > 1 or not fixed:
        raise ConvertError(
            f"The model's input or output '{tensor.name}' ({tensor.dtype}, shape {list(tensor.shape)}) cannot be "
            "offered to applications.",
            f"Inputs and outputs are of {', '.join(DTYPES)}, with one scale and a batch of 1.",
        )
    scale, zero_point = (tensor.scales[0], tensor.zero_points[0]) if tensor.scales else (0.0, 0)
    return Tensor(tensor.name, tensor.shape, tensor.dtype, scale, zero_point)
