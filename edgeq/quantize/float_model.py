"""Whether a `.tflite` model is one that can be quantized: floats throughout, with fixed shapes and real numbers."""

from __future__ import annotations

from edgeq.errors import ConvertError
from edgeq.model.constants import check_finite
from edgeq.model.custom import check_custom
from edgeq.model.describe import check_ends
from edgeq.model.info import ModelInfo
from edgeq.model.tflite import read_model
from edgeq.quantize.detect import detect_mode

INPUT_TYPES = ("float32", "int32", "int64", "bool")


def check_float(data: bytes) -> ModelInfo:
    """The facts of a float model. `ArtifactError` for a damaged file, `ConvertError` for what cannot be quantized."""
    model = read_model(data)
    check_custom(model)
    check_ends(model)
    for tensor in model.inputs:
        if tensor.dtype not in INPUT_TYPES:
            raise ConvertError(
                f"The model's input '{tensor.name}' is {tensor.dtype}; edgeq quantizes models with a float32 input.",
                "Save the model before it was quantized, with a float32 input; or build from it as it is.",
            )
    found = detect_mode(model)
    if found is None or found.mode != "float32":
        raise ConvertError(
            f"The model is quantized already ({found.mode if found else 'several modes in one'}); edgeq quantizes "
            "float32 models.",
            "Save the model before it was quantized; or build from it as it is.",
        )
    check_finite(data, model)
    return model
