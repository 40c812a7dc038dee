"""Checks that a converted model is what was promised: truly in its mode, everywhere."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.errors import ConvertError
from edgeq.model.info import ModelInfo, Operator, Subgraph, TensorInfo
from edgeq.model.schema import FLOATS
from edgeq.quantize.detect import CASTS, LEAST_ELEMENTS, UNPACKS, weights
from edgeq.quantize.recipe import Recipe, activations, weight_bits

HINT = (
    "The layer behind it has no integer form: use another layer (for example ReLU instead of an exotic activation), "
    "or leave that step to the application."
)
SIMPLE = ("static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32", "float16", "float32")
_BUG = "This is a fault of edgeq or of its converter: please report it with the model."


def check_mode(model: ModelInfo, recipe: Recipe) -> None:
    """`ConvertError` naming the first operator or tensor that is not as `recipe` promises."""
    _check_sizes(model)
    if recipe.overrides or recipe.mode not in SIMPLE:
        _check_mixed(model, recipe)
    elif recipe.needs_samples:
        check_integer(model, recipe.io_type)
        _check_activations(model, recipe.activations)
    else:
        _check_floating(model, recipe)
    if recipe.granularity == "tensor" and all(each.granularity == "tensor" for each in recipe.overrides):
        for graph in model.subgraphs:
            for tensor in graph.tensors:
                if tensor.data_bytes and len(tensor.scales) > 1:
                    raise ConvertError(
                        f"The converted model's tensor '{tensor.name}' has {len(tensor.scales)} scales; one per tensor "
                        "was promised.",
                        _BUG,
                    )


def _check_sizes(model: ModelInfo) -> None:
    """A constant has as many bytes as its type and shape take: a writer once stored floats as integers."""
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.data_bytes and tensor.size_bytes and tensor.data_bytes != tensor.size_bytes:
                raise ConvertError(
                    f"The converted model's tensor '{tensor.name}' holds {tensor.data_bytes} bytes; its type and shape "
                    f"take {tensor.size_bytes}.",
                    _BUG,
                )


def _check_mixed(model: ModelInfo, recipe: Recipe) -> None:
    """Every type that occurs is one of a mode of the recipe; without a mode of floats, integers throughout."""
    computed = {activations(mode) for mode in recipe.modes}
    bits = {f"int{weight_bits(mode)}" for mode in recipe.modes} | {"int8"}
    if "float32" not in computed:
        check_integer(model, recipe.io_type)
    for graph, operator in model.operators:
        for index in (*operator.inputs, *operator.outputs):
            tensor = graph.tensors[index] if index >= 0 else None
            if tensor and tensor.scales and not tensor.data_bytes and tensor.dtype not in computed:
                raise ConvertError(
                    f"The converted model's tensor '{tensor.name}' is {tensor.dtype}; {', '.join(sorted(computed))} "
                    "was promised.",
                    HINT,
                )
        held = weights(graph, operator)
        if held and held.dtype not in bits | ({"float32"} if "float32" in computed else set()):
            raise ConvertError(
                f"The weights '{held.name}' of a {operator.name} are {held.dtype}; {', '.join(sorted(bits))} "
                "was promised.",
                HINT,
            )


def check_integer(model: ModelInfo, io: str = "int8") -> None:
    """`ConvertError` naming the first operator or tensor that is of a float type.

    With `io` "float32" inputs and outputs are float, with QUANTIZE and DEQUANTIZE directly behind them; no more.
    Inputs and outputs that are whole numbers by nature, as indexes are, stay what they are.
    """
    allowed = set(model.inputs + model.outputs) if io == "float32" else set[TensorInfo]()
    found = [
        (operator, tensor)
        for graph, operator in model.operators
        for tensor in _float_tensors(graph, operator)
        if operator.name not in CASTS or tensor not in allowed
    ]
    # The operator that has no integer form stands between two casts: naming those would not help.
    found.sort(key=lambda pair: pair[0].name in CASTS)
    casts_only = not found or found[0][0].name in CASTS
    for tensor in (*model.inputs, *model.outputs):
        if casts_only and tensor.dtype != io and (tensor.scales or tensor.dtype in FLOATS):
            raise ConvertError(
                f"The converted model's input or output '{tensor.name}' is {tensor.dtype}; {io} was promised.", HINT
            )
    if found:
        operator, tensor = found[0]
        raise ConvertError(
            f"The converted model is not fully integer: operator {operator.custom or operator.name} works on the "
            f"{tensor.dtype} tensor '{tensor.name}'.",
            HINT,
        )
    for tensor in model.float_tensors():
        if tensor not in allowed:
            raise ConvertError(f"The converted model holds the {tensor.dtype} tensor '{tensor.name}'.", HINT)


def _check_activations(model: ModelInfo, dtype: str) -> None:
    """Every tensor between operators that stands for real numbers is of `dtype`; weights are int8."""
    for graph, operator in model.operators:
        for index in (*operator.inputs, *operator.outputs):
            tensor = graph.tensors[index] if index >= 0 else None
            if tensor and tensor.scales and not tensor.data_bytes and tensor.dtype != dtype:
                raise ConvertError(
                    f"The converted model's tensor '{tensor.name}' is {tensor.dtype}; {dtype} was promised.", HINT
                )
        held = weights(graph, operator)
        if held and held.dtype != "int8":
            raise ConvertError(
                f"The weights '{held.name}' of a {operator.name} are {held.dtype}; int8 was promised.", HINT
            )


def _check_floating(model: ModelInfo, recipe: Recipe) -> None:
    """Activations are float32; constants are as the mode stores them."""
    if recipe.mode == "dynamic_wi8_afp32" and not any(_int8_weights(model)):
        raise ConvertError(
            f"Nothing in the model would become int8 in the mode {recipe.mode}: no convolution or dense layer has "
            f"{LEAST_ELEMENTS} weights or more.",
            "Use float16, float32 or static_wi8_ai8.",
        )
    wanted = {"dynamic_wi8_afp32": "int8", "float16": "float16", "float32": "float32"}[recipe.mode]
    halves = [tensor for tensor in model.float_tensors() if tensor.dtype == "float16"]
    if halves and wanted != "float16":
        raise ConvertError(f"The model's tensor '{halves[0].name}' is float16; {wanted} was promised.", _BUG)
    for graph, operator in model.operators:
        for index in (*operator.inputs, *operator.outputs):
            tensor = graph.tensors[index] if index >= 0 else None
            if tensor and tensor.scales and not tensor.data_bytes:
                raise ConvertError(
                    f"The model's tensor '{tensor.name}' is {tensor.dtype} with a scale; {recipe.mode} computes in "
                    "float32.",
                    "Build from the model as it was before it was quantized.",
                )
        held = weights(graph, operator)
        large = held is not None and (wanted != "int8" or held.elements >= LEAST_ELEMENTS)
        if held and large and held.dtype != wanted:
            raise ConvertError(
                f"The weights '{held.name}' of a {operator.name} are {held.dtype}; {wanted} was promised.", _BUG
            )
        if wanted == "float16" and operator.name not in UNPACKS:
            _no_float32_constant(graph, operator)


def _int8_weights(model: ModelInfo) -> Iterator[TensorInfo]:
    held = (weights(graph, operator) for graph, operator in model.operators)
    return (tensor for tensor in held if tensor and tensor.dtype == "int8")


def _no_float32_constant(graph: Subgraph, operator: Operator) -> None:
    for tensor in _float_tensors(graph, operator):
        if tensor.data_bytes and tensor.dtype == "float32":
            raise ConvertError(f"The constant '{tensor.name}' is float32; float16 was promised.", _BUG)


def _float_tensors(graph: Subgraph, operator: Operator) -> list[TensorInfo]:
    tensors = (graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0)
    return [tensor for tensor in tensors if tensor.dtype in FLOATS]
