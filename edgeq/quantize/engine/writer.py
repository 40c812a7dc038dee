"""Writes a quantized `.tflite` with litert-quantizer from our own ranges; the one module that imports it.

Measured with 0.11: with the same ranges it writes what TensorFlow's quantizer writes, and it needs no TensorFlow. Its
own calibration (a moving average) and its GPTQ (which stores floats where integers are promised) are not used.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError, UsageError
from edgeq.model.info import ModelInfo
from edgeq.model.objects import pack_tflite, unpack_tflite
from edgeq.quantize.engine.ranges import Ranges
from edgeq.quantize.recipe import STATIC, Override, Recipe, weight_bits

WeightRanges = Mapping[str, NDArray[np.float32]]
"""For weights that shall not have the range of their values: the largest magnitude of each channel, or one of all."""

_BITS = {"int8": 8, "int16": 16}


def write(model: bytes, recipe: Recipe, ranges: Ranges, weights: WeightRanges | None = None) -> bytes:
    """The float `model` by `recipe`. `ConvertError` in one sentence for what the writer refuses.

    Operators that it has no integer form of stay float: whoever calls holds the result to the recipe.
    """
    library = _library()
    rules = list(_rules(recipe))
    with _quiet():
        try:
            quantizer = library.Quantizer(bytearray(model))
            for scope, operation, mode, granularity in rules:
                _configure(quantizer, scope, operation, mode, granularity)
            given = _given(ranges, weights or {}) if recipe.needs_samples else None
            made = bytes(quantizer.quantize(given).quantized_model)
            return pack_tflite(unpack_tflite(made))  # the library puts large buffers behind the FlatBuffer
        except Exception as error:  # whatever it stumbles over is a model that it cannot write
            words = " ".join(str(error).split())[:300] or type(error).__name__
            raise ConvertError(
                f"The writer of quantized models refuses this one: {words}", "Leave out the overrides one by one."
            ) from error


def operations() -> frozenset[str]:
    """The names of the operators that an override may name."""
    _library()
    from litert_quantizer.qtyping import TFLOperationName

    return frozenset(each.value for each in TFLOperationName)


def _rules(recipe: Recipe) -> Iterator[tuple[str, str, str, str]]:
    """(pattern, operator, mode, granularity), later ones win. Where an operator has no form with 4-bit weights, the
    library passes over that rule and the one for 8 bits stands."""
    rules: list[tuple[str, str, str, str]] = []
    for mode, granularity in dict.fromkeys(
        ((_eight(recipe.mode), recipe.granularity), (recipe.mode, recipe.granularity))
    ):
        rules.append((".*", "*", mode, granularity))
    if recipe.mode in STATIC and recipe.io_type == "float32":
        rules += [(".*", end, "float32", "channel") for end in ("INPUT", "OUTPUT")]
    for each in recipe.overrides:
        _check_operator(each)
        for mode in dict.fromkeys((_eight(each.mode), each.mode)):
            rules.append((each.pattern, each.op or "*", mode, each.granularity))
    # A pattern is a key in the library: two rules must not share one.
    for index, (pattern, operation, mode, granularity) in enumerate(rules):
        yield "(?:" * index + pattern + ")" * index, operation, mode, granularity


def check_overrides(model: ModelInfo, recipe: Recipe) -> None:
    """`UsageError` where an override names a layer or a tensor that the float `model` has not, or an operator that no
    model has."""
    graph = model.subgraphs[0]
    ends = {"INPUT": graph.inputs, "OUTPUT": graph.outputs}
    held = [(each.name, each.outputs) for each in graph.operators] + [*ends.items()]
    named = [(name, [graph.tensors[index].name for index in places]) for name, places in held]
    for override in recipe.overrides:
        _check_operator(override)
        wanted = override.layer or override.tensor
        if wanted and not any(matches(override, name, outputs) for name, outputs in named):
            what = f" of type {override.op}" if override.op else ""
            raise UsageError(
                f"An override is for '{wanted}', and the model has no operator{what} with such an output.",
                "'edgeq sensitivity' lists the layers by the names that overrides take.",
            )


def _eight(mode: str) -> str:
    return mode.replace("_wi4_", "_wi8_")


def _check_operator(override: Override) -> None:
    if override.op and override.op not in operations():
        raise UsageError(
            f"An override names the operator '{override.op}', which cannot be quantized or is none.",
            f"Known: {', '.join(sorted(operations() - {'*', 'INPUT', 'OUTPUT'}))}.",
        )


def _configure(quantizer: Any, scope: str, operation: str, mode: str, granularity: str) -> None:
    from litert_quantizer import qtyping
    from litert_quantizer.algorithm_manager import AlgorithmName

    name = qtyping.TFLOperationName(operation)
    sharing = qtyping.QuantGranularity.CHANNELWISE if granularity == "channel" else qtyping.QuantGranularity.TENSORWISE
    bits = weight_bits(mode)
    if mode in STATIC:
        wide = 16 if mode.endswith("ai16") else 8
        quantizer.add_static_config(scope, name, wide, bits, sharing)
    elif mode.startswith("dynamic"):
        quantizer.add_dynamic_config(scope, name, bits, sharing)
    elif mode.startswith("weight_only"):
        quantizer.add_weight_only_config(scope, name, bits, sharing)
    else:
        quantizer.update_quantization_recipe(scope, name, None, AlgorithmName.NO_QUANTIZE)


def _given(ranges: Ranges, weights: WeightRanges) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Ranges in the library's form."""
    given = {
        name: {"min": np.array([each.low], np.float32), "max": np.array([each.high], np.float32)}
        for name, each in ranges.items()
    }
    given.update({name: {"min": -largest, "max": largest} for name, largest in weights.items()})
    return given


def _library() -> Any:
    try:
        with _quiet():
            from litert_quantizer import quantizer
    except ImportError as error:
        raise UsageError(
            "Quantizing a model needs litert-quantizer, which is not installed.", "pip install 'edgeq[convert]'"
        ) from error
    return quantizer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """It reports on stdout, through logging and as warnings."""
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)


def modes(model: ModelInfo, recipe: Recipe) -> list[str]:
    """The mode of each operator of the main graph, in their order, as far as the recipe says."""
    graph = model.subgraphs[0]
    found = []
    for operator in graph.operators:
        names = [graph.tensors[index].name for index in operator.outputs]
        chosen = [each.mode for each in recipe.overrides if matches(each, operator.name, names)]
        found.append(chosen[-1] if chosen else recipe.mode)
    return found


def matches(override: Override, operator: str, outputs: list[str]) -> bool:
    """Whether an override is for an operator with these outputs; the library searches in the names joined."""
    return override.op in ("", operator) and re.search(override.pattern, ";".join(outputs) + ";") is not None
