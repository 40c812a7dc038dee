"""What lowering one node after another shares: where each tensor is, the records so far, constants and state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError
from edgeq.micro.fields import RANK, Buffer, Scale, View
from edgeq.micro.graph import Graph, Node, Tensor
from edgeq.micro.records import Op

DTYPES = {"int8": 1, "int16": 2, "int32": 3, "float32": 4, "uint8": 5, "bool": 6}
"""`enum eq_dtype`."""

MAX_SHIFT = 30
"""Of a multiplier: `struct eq_scale`."""


class Lowering:
    """The state of one compilation. Views of tensors appear as nodes give them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ops: list[Op] = []
        self.states: list[Buffer] = []
        self._views: dict[int, View] = {}
        self._constants: dict[tuple[int, bytes], Buffer] = {}
        self._variables: dict[str, Buffer] = {}
        self.handles: dict[int, str] = {}
        self.floats: dict[int, tuple[Tensor, tuple[str, ...]]] = {}
        """Float tensors that are functions, one behind the other, of an int8: a table gives what is quantized again."""
        self._added = 0

    def tensor(self, node: Node, position: int) -> Tensor:
        """Input `position` of a node; `ConvertError` where it is left out."""
        index = node.inputs[position] if position < len(node.inputs) else -1
        if index < 0:
            raise ConvertError(f"A {node.op} lacks its input {position}.", "Convert the model again.")
        return self.graph.tensors[index]

    def optional(self, node: Node, position: int) -> Tensor | None:
        """Input `position` of a node, or None where it is left out."""
        index = node.inputs[position] if position < len(node.inputs) else -1
        return None if index < 0 else self.graph.tensors[index]

    def result(self, node: Node, position: int = 0) -> Tensor:
        """Output `position` of a node."""
        return self.graph.tensors[node.outputs[position]]

    def view(self, tensor: Tensor) -> View:
        """Where a tensor is: a constant, a variable, or what an earlier node gave."""
        if tensor.data is not None:
            return self.constant(tensor.data, tensor.name)
        if tensor.variable and tensor.index not in self._views:
            self._views[tensor.index] = View(self._state(tensor.name, _nothing(tensor)))
        if tensor.index not in self._views and tensor.index in self.floats:
            chain = " of ".join(reversed(self.floats[tensor.index][1]))
            raise ConvertError(
                f"The tensor '{tensor.name}' is {chain} in float32, which the microcontroller runtime does not do.",
                "Quantize what comes of it, or let the application compute it.",
            )
        if tensor.index not in self._views:
            raise ConvertError(
                f"The tensor '{tensor.name}' is used before anything gives it.", "Convert the model again."
            )
        return self._views[tensor.index]

    def allocate(self, tensor: Tensor) -> View:
        """New memory for an input of the model or a node's output. `ConvertError` for a type that has none."""
        if tensor.dtype not in DTYPES:
            raise ConvertError(
                f"The tensor '{tensor.name}' is {tensor.dtype}, which the microcontroller runtime does not know.",
                f"It knows {', '.join(DTYPES)}.",
            )
        item = tensor.size_bytes // max(tensor.elements, 1)
        return self.alias(tensor, View(Buffer(tensor.name, tensor.size_bytes, max(4, item))))

    def memory(self, name: str, size_bytes: int) -> View:
        """Memory between two records of one node."""
        return View(Buffer(name, size_bytes))

    def between(self, like: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
        """A tensor that the graph has not, between two records of one node; where it lies is still to be said."""
        self._added += 1
        return replace(like, name=name, shape=shape, index=len(self.graph.tensors) + self._added, data=None)

    def alias(self, tensor: Tensor, view: View) -> View:
        """Let a tensor be at `view`."""
        self._views[tensor.index] = view
        return view

    def constant(self, values: NDArray[np.generic], name: str, align: int = 4) -> View:
        """Values among the image's constants; the same bytes are stored once."""
        data = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        key = (align, data)
        if key not in self._constants:
            self._constants[key] = Buffer(name, len(data), align, data)
        return View(self._constants[key])

    def variable(self, name: str, tensor: Tensor) -> View:
        """The state behind a VAR_HANDLE; `tensor` has its shape and type."""
        if name not in self._variables:
            initial = self.graph.initial.get(name)
            first = _nothing(tensor) if initial is None else initial
            self._variables[name] = self._state(name, first)
        buffer = self._variables[name]
        if buffer.size_bytes != tensor.size_bytes:
            raise ConvertError(
                f"The variable '{name}' has {buffer.size_bytes} bytes and is used with {tensor.size_bytes}.",
                "Give it one shape and type.",
            )
        return View(buffer)

    def _state(self, name: str, first: NDArray[np.generic]) -> Buffer:
        data = np.ascontiguousarray(first).astype(first.dtype.newbyteorder("<"), copy=False).tobytes()
        buffer = Buffer(name, len(data), state=True, first=data)
        self.states.append(buffer)
        return buffer

    def emit(self, *ops: Op) -> None:
        """The next records."""
        self.ops.extend(ops)


def _nothing(tensor: Tensor) -> NDArray[np.generic]:
    """What a variable holds before it is assigned, as TFLite Micro has it: its zero point, 0 in wider types."""
    return np.full(tensor.elements, tensor.zero_point if tensor.dtype == "int8" else 0, tensor.dtype)


def unsupported(node: Node, tensor: Tensor | None, why: str, hint: str) -> ConvertError:
    """The error for what has no kernel: it names the operator and the tensor, and the nearest form that there is."""
    where = f" at tensor '{tensor.name}'" if tensor else ""
    return ConvertError(f"{node.op}{where}: {why}.", hint)


def require_dtypes(node: Node, tensors: Iterable[Tensor], *allowed: str) -> None:
    """`ConvertError` for the first tensor whose type is none of `allowed`."""
    for tensor in tensors:
        if tensor.dtype not in allowed:
            raise unsupported(
                node,
                tensor,
                f"the microcontroller runtime computes it in {' or '.join(allowed)}, not {tensor.dtype}",
                "Build with full-integer int8 quantization (static_wi8_ai8).",
            )


def require_multipliers(node: Node, out: Tensor | None, op: Op) -> None:
    """`ConvertError` where a record multiplies by more than the runtime takes."""
    scales = [getattr(op, entry.name) for entry in fields(op)]
    if any(isinstance(scale, Scale) and scale.shift > MAX_SHIFT for scale in scales):
        raise unsupported(node, out, "its scale is too small beside those of the inputs", "Calibrate on real data.")


def require_rank(tensor: Tensor) -> None:
    """`ConvertError` for an input or output of the model with more axes than an image can tell."""
    if len(tensor.shape) > RANK:
        raise ConvertError(
            f"The tensor '{tensor.name}' has {len(tensor.shape)} axes.", f"Inputs and outputs may have {RANK}."
        )


def require_scale(node: Node, tensors: Iterable[Tensor]) -> None:
    """`ConvertError` for a tensor without one positive scale."""
    for tensor in tensors:
        if len(tensor.scales) != 1 or not tensor.scale > 0:
            raise unsupported(node, tensor, "it needs one scale and zero point", "Quantize the activations per tensor.")


def require_same_scale(node: Node, source: Tensor, out: Tensor) -> None:
    """`ConvertError` where an operator that keeps values is asked to change their scale."""
    if (source.scales, source.zero_points) != (out.scales, out.zero_points):
        raise unsupported(
            node, source, "its scale is not that of the result", "Quantize both with one scale (TFLite does)."
        )


def require_activation(node: Node, tensor: Tensor, *allowed: str) -> None:
    """`ConvertError` for a fused activation at its result that is none of `allowed`."""
    if node.activation not in allowed:
        raise unsupported(node, tensor, f"it has the fused activation {node.activation}", f"Use {', '.join(allowed)}.")
