"""Operators that come with somebody's own code, which no target has."""

from __future__ import annotations

from edgeq.errors import ConvertError
from edgeq.model.info import ModelInfo

_PREFIX = "CUSTOM:"


def check_custom(model: ModelInfo) -> None:
    """`ConvertError` naming the custom operators of `model`; those of TensorFlow's Flex delegate are said to be so."""
    names = sorted({operator.custom.removeprefix(_PREFIX) for _, operator in model.operators if operator.custom})
    flex = [name.removeprefix("Flex") for name in names if name.startswith("Flex")]
    if flex:
        raise ConvertError(
            f"The model needs TensorFlow's Flex delegate (select TF ops) for {', '.join(flex)}; no target has it.",
            "Replace the layers that use them, and convert with builtin operators only.",
        )
    if names:
        raise ConvertError(
            f"The model uses custom operators ({', '.join(names)}), which no runtime here has.",
            "Replace them, or cut the model before them and leave that step to the application.",
        )
