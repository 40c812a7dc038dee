"""Operators on one value at a time: sums and products with broadcasting, tables, changes of type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeq.micro import luts
from edgeq.micro.fields import RANK, Scale, Sum, contiguous
from edgeq.micro.graph import Node, Tensor
from edgeq.micro.lower.context import (
    DTYPES,
    Lowering,
    require_activation,
    require_dtypes,
    require_scale,
    unsupported,
)
from edgeq.micro.lower.window import CLAMPS
from edgeq.micro.numbers import INT8, activation_range, scale_of
from edgeq.micro.records import Add, Dequantize, Lut, Mul, Quantize, Requantize, Softmax

LEFT_SHIFT = 20
MAX_DEPTH = 8191
"""Of a SOFTMAX: the exponentials' sum fits 32 bits."""


def add(low: Lowering, node: Node) -> None:
    """ADD."""
    _sum(low, node, subtract=False)


def sub(low: Lowering, node: Node) -> None:
    """SUB."""
    _sum(low, node, subtract=True)


def _sum(low: Lowering, node: Node, subtract: bool) -> None:
    a, b, out = _operands(low, node)
    twice = 2.0 * max(a.scale, b.scale)
    last = twice / ((1 << LEFT_SHIFT) * out.scale)
    if last >= 1:
        raise unsupported(node, out, "its scale is too small beside those of the inputs", "Calibrate on real data.")
    scales = (scale_of(a.scale / twice), scale_of(b.scale / twice), scale_of(last))
    act = activation_range(node.activation, out.scale, out.zero_point)
    terms = Sum(a.zero_point, b.zero_point, out.zero_point, *scales, LEFT_SHIFT, subtract, act)
    dims, a_step, b_step = broadcast(node, a, b, out)
    low.emit(Add(low.allocate(out), low.view(a), low.view(b), dims, a_step, b_step, terms))


def mul(low: Lowering, node: Node) -> None:
    """MUL."""
    a, b, out = _operands(low, node)
    dims, a_step, b_step = broadcast(node, a, b, out)
    low.emit(
        Mul(
            low.allocate(out),
            low.view(a),
            low.view(b),
            dims,
            a_step,
            b_step,
            a.zero_point,
            b.zero_point,
            out.zero_point,
            scale_of(a.scale * b.scale / out.scale),
            activation_range(node.activation, out.scale, out.zero_point),
        )
    )


def _operands(low: Lowering, node: Node) -> tuple[Tensor, Tensor, Tensor]:
    tensors = low.tensor(node, 0), low.tensor(node, 1), low.result(node)
    require_dtypes(node, tensors, "int8")
    require_scale(node, tensors)
    require_activation(node, tensors[2], *CLAMPS)
    return tensors


def broadcast(
    node: Node, a: Tensor, b: Tensor, out: Tensor
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Dimensions and the operands' steps, 0 where an operand is repeated; one dimension where nothing is."""
    if a.shape == b.shape == out.shape:
        return (out.elements,), (1,), (1,)
    if np.broadcast_shapes(a.shape, b.shape) != out.shape or len(out.shape) > RANK:
        raise unsupported(node, out, f"{a.shape} and {b.shape} do not give {out.shape}", "Use at most six dimensions.")
    dims, a_step, b_step = ([1], [0], [0]) if not out.shape else (list(out.shape), _steps(a, out), _steps(b, out))
    return tuple(dims), tuple(a_step), tuple(b_step)


def _steps(operand: Tensor, out: Tensor) -> list[int]:
    shape = (1,) * (len(out.shape) - len(operand.shape)) + operand.shape
    return [0 if size == 1 else step for size, step in zip(shape, contiguous(shape), strict=True)]


def by_table(low: Lowering, node: Node, table_of: Callable[[Tensor, Tensor], luts.Table], *dtypes: str) -> None:
    """The record of an operator on each int8, from what computes its table."""
    source, out = low.tensor(node, 0), low.result(node)
    require_dtypes(node, (source, out), *(dtypes or ("int8",)))
    require_scale(node, (source, out))
    if source.elements != out.elements:
        raise unsupported(node, out, f"{source.shape} cannot become {out.shape}", "Convert the model again.")
    try:
        table = table_of(source, out)
    except ValueError as error:
        raise unsupported(node, out, str(error), "Calibrate on real data.") from error
    low.emit(Lut(low.allocate(out), low.view(source), out.elements, low.constant(table, f"{node.op} table")))


def _lut(table_of: Callable[[Tensor, Tensor], luts.Table]) -> Callable[[Lowering, Node], None]:
    def lower(low: Lowering, node: Node) -> None:
        by_table(low, node, table_of)

    return lower


relu = _lut(lambda source, out: luts.rescaled(source, out, "RELU"))
relu6 = _lut(lambda source, out: luts.clipped(source, out, "RELU6"))
relu_n1_to_1 = _lut(lambda source, out: luts.clipped(source, out, "RELU_N1_TO_1"))
relu_0_to_1 = _lut(lambda source, out: luts.clipped(source, out, "RELU_0_TO_1"))
hard_swish = _lut(luts.hard_swish)
absolute = _lut(luts.absolute)
elu = _lut(luts.elu)
exp = _lut(luts.exp)
log = _lut(luts.log)


def gelu(low: Lowering, node: Node) -> None:
    """GELU, exactly or by its approximation with tanh."""
    function = luts.gelu_by_tanh if node.options["approximate"] else luts.gelu
    by_table(low, node, function)


def leaky_relu(low: Lowering, node: Node) -> None:
    """LEAKY_RELU."""
    alpha = float(node.options["alpha"])
    by_table(low, node, lambda source, out: luts.leaky_relu(source, out, alpha))


def prelu(low: Lowering, node: Node) -> None:
    """PRELU: a table of what is positive, a product of what is not, and their exact sum; of one slope a table."""
    source, slopes, out = _operands(low, node)
    if slopes.data is None:
        raise unsupported(node, slopes, "its slopes are computed by the model", "Let them be constants.")
    if slopes.elements == 1:
        slope = int(np.asarray(slopes.data).reshape(-1)[0]) - slopes.zero_point
        by_table(low, node, lambda source, out: luts.prelu(source, out, slope, slopes.scale))
        return
    dims, a_step, b_step = broadcast(node, source, slopes, out)
    if source.shape != out.shape:
        raise unsupported(node, out, f"{source.shape} cannot become {out.shape}", "Convert the model again.")
    count, view = out.elements, low.view(source)
    above, below, product = (low.memory(f"{out.name} {part}", count) for part in ("above", "below", "product"))
    low.emit(
        Lut(below, view, count, low.constant(luts.table(lambda x: min(x, source.zero_point)), "below zero")),
        Mul(
            product,
            below,
            low.view(slopes),
            dims,
            a_step,
            b_step,
            source.zero_point,
            slopes.zero_point,
            out.zero_point,
            scale_of(source.scale * slopes.scale / out.scale),
            INT8,
        ),
        Lut(above, view, count, low.constant(luts.rescaled(source, out, "RELU"), "above zero")),
        Add(low.allocate(out), above, product, (count,), (1,), (1,), _plain_sum(out.zero_point)),
    )


def _plain_sum(zero_point: int) -> Sum:
    """Of two values of one scale, nothing rounded."""
    half, back = scale_of(0.5), scale_of(2.0 / (1 << LEFT_SHIFT))
    return Sum(zero_point, zero_point, zero_point, half, half, back, LEFT_SHIFT, False, INT8)


def _fixed(
    scale: float, zero_point: int, table_of: Callable[[Tensor], luts.Table]
) -> Callable[[Tensor, Tensor], luts.Table]:
    def table(source: Tensor, out: Tensor) -> luts.Table:
        if out.scale != scale or out.zero_point != zero_point:
            raise ValueError(f"its scale must be {scale} with the zero point {zero_point}")
        return table_of(source)

    return table


logistic = _lut(_fixed(1 / 256, -128, luts.logistic))
tanh = _lut(_fixed(1 / 128, 0, luts.tanh))


def softmax(low: Lowering, node: Node) -> None:
    """SOFTMAX over the last axis, to int8 or int16."""
    source, out = low.tensor(node, 0), low.result(node)
    require_dtypes(node, (source,), "int8")
    require_dtypes(node, (out,), "int8", "int16")
    require_scale(node, (source, out))
    bits = 8 if out.dtype == "int8" else 16
    if (out.scale, out.zero_point) != (2.0**-bits, -(1 << (bits - 1))):
        raise unsupported(node, out, f"its scale must be 1/{1 << bits}", "Convert the model again.")
    try:
        table = luts.softmax_exponentials(float(node.options["beta"]), source.scale)
    except ValueError as error:
        raise unsupported(node, source, str(error), "Calibrate on real data.") from error
    depth = source.shape[-1] if source.shape else 1
    if depth > MAX_DEPTH:
        raise unsupported(node, source, f"it has rows of more than {MAX_DEPTH} values", "Give the scores before it.")
    view = low.constant(table, "exponentials")
    low.emit(Softmax(low.allocate(out), low.view(source), source.elements // depth, depth, view, bits == 16))


def quantize(low: Lowering, node: Node) -> None:
    """QUANTIZE from float32, and between integers."""
    source, out = low.tensor(node, 0), low.result(node)
    require_scale(node, (out,))
    if source.index in low.floats and out.dtype == "int8":
        origin, functions = low.floats[source.index]
        table = low.constant(luts.through_floats(origin, out, functions), f"{' '.join(functions)} table")
        low.emit(Lut(low.allocate(out), low.view(origin), out.elements, table))
    elif source.dtype == "float32":
        require_dtypes(node, (out,), "int8", "int16")
        place = low.allocate(out)
        low.emit(Quantize(place, low.view(source), out.elements, DTYPES[out.dtype], out.scale, out.zero_point))
    elif {source.dtype, out.dtype} in ({"int8"}, {"int8", "uint8"}):
        by_table(low, node, luts.rescaled, "int8", "uint8")
    else:
        require_dtypes(node, (source, out), "int8", "int16", "int32")
        require_scale(node, (source,))
        scale: Scale = scale_of(source.scale / out.scale)
        kinds, points = (DTYPES[source.dtype], DTYPES[out.dtype]), (source.zero_point, out.zero_point)
        low.emit(Requantize(low.allocate(out), low.view(source), out.elements, *kinds, *points, scale))


def of_float(low: Lowering, node: Node) -> bool:
    """Note a function of a float32 that was an int8; False for anything else. Nothing is computed before a QUANTIZE."""
    source = low.graph.tensors[node.inputs[0]] if node.inputs else None
    if source is None or source.index not in low.floats or node.op not in luts.FLOATS:
        return False
    origin, functions = low.floats[source.index]
    low.floats[low.result(node).index] = origin, (*functions, node.op)
    return True


def dequantize(low: Lowering, node: Node) -> None:
    """DEQUANTIZE to float32; the record goes again where only tables are made of it."""
    source, out = low.tensor(node, 0), low.result(node)
    require_dtypes(node, (source,), "int8", "uint8", "int16")
    require_dtypes(node, (out,), "float32")
    require_scale(node, (source,))
    view, kind, zero_point = low.view(source), source.dtype, source.zero_point
    if kind == "uint8":
        signed = low.memory(f"{source.name} signed", source.elements)
        low.emit(Lut(signed, view, source.elements, low.constant(luts.table(lambda x: x ^ -128), "signed")))
        view, kind, zero_point = signed, "int8", zero_point - 128
    if source.dtype == "int8" and source.elements == out.elements:
        low.floats[out.index] = source, ()
    low.emit(Dequantize(low.allocate(out), view, out.elements, DTYPES[kind], source.scale, zero_point))
