"""Writes `.tflite` models from tensors and operators, with the schema that ai-edge-litert ships (no TensorFlow)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor; operators share it by being given the same object. Without scales it is not quantized."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scales: tuple[float, ...] = ()
    zero_point: int = 0
    axis: int = 0
    data: Array | None = None
    variable: bool = False

    @property
    def scale(self) -> float:
        """The scale of a tensor that has one."""
        (scale,) = self.scales
        return scale

    def like(self, shape: Sequence[int]) -> Tensor:
        """A new activation of this type and quantization in another shape."""
        return Tensor(tuple(shape), self.dtype, self.scales, self.zero_point)


@dataclass(frozen=True, eq=False)
class Op:
    """One builtin operator; an input left out is None."""

    name: str
    inputs: Sequence[Tensor | None]
    outputs: Sequence[Tensor]
    options: Any = None
    intermediates: Sequence[Tensor] = ()


@dataclass
class _Writer:
    """What several graphs of one model share."""

    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    codes: list[str] = field(default_factory=list)

    def graph(self, ops: Sequence[Op], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Any:
        """One subgraph."""
        used = [t for op in ops for t in (*op.inputs, *op.intermediates, *op.outputs) if t is not None]
        tensors = list(dict.fromkeys((*inputs, *used)))
        place = {tensor: index for index, tensor in enumerate(tensors)}
        graph = schema.SubGraphT()
        graph.tensors = [self._tensor(tensor, f"t{index}") for index, tensor in enumerate(tensors)]
        graph.inputs, graph.outputs = _places(place, inputs), _places(place, outputs)
        graph.operators = [self._operator(op, place) for op in ops]
        graph.name = b"main"
        return graph

    def _tensor(self, tensor: Tensor, name: str) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.hasRank = name, np.array(tensor.shape, np.int32), True
        made.type = getattr(schema.TensorType, tensor.dtype.upper())
        made.isVariable = tensor.variable
        if tensor.scales:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = np.array(tensor.scales, np.float32)
            made.quantization.zeroPoint = np.full(len(tensor.scales), tensor.zero_point, np.int64)
            made.quantization.quantizedDimension = tensor.axis
        if tensor.data is not None:
            made.buffer = len(self.buffers)
            self.buffers.append(schema.BufferT())
            self.buffers[-1].data = np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), np.uint8)
        return made

    def _operator(self, op: Op, place: dict[Tensor, int]) -> Any:
        if op.name not in self.codes:
            self.codes.append(op.name)
        made = schema.OperatorT()
        made.opcodeIndex = self.codes.index(op.name)
        made.inputs, made.outputs = _places(place, op.inputs), _places(place, op.outputs)
        if op.intermediates:
            made.intermediates = _places(place, op.intermediates)
        if op.options is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(op.options).__name__[:-1])
            made.builtinOptions = op.options
        return made


def _places(place: dict[Tensor, int], tensors: Iterable[Tensor | None]) -> Array:
    return np.array([-1 if tensor is None else place[tensor] for tensor in tensors], np.int32)


def write_model(
    ops: Sequence[Op], inputs: Sequence[Tensor], outputs: Sequence[Tensor], first: Sequence[Op] = ()
) -> bytes:
    """A `.tflite` file. `first` is a graph without inputs and outputs that a CALL_ONCE among `ops` runs."""
    writer = _Writer()
    model = schema.ModelT()
    model.version = 3
    model.subgraphs = [writer.graph(ops, inputs, outputs)]
    if first:
        model.subgraphs.append(writer.graph(first, (), ()))
    model.buffers = writer.buffers
    model.operatorCodes = [_code(name) for name in writer.codes]
    builder = flatbuffers.Builder(1 << 14)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _code(name: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    return code


def options(name: str, **fields: Any) -> Any:
    """The schema's options table `name` with some of its fields set; a field that it lacks is an error."""
    made = getattr(schema, f"{name}OptionsT")()
    for field_name, value in fields.items():
        if not hasattr(made, field_name):
            raise AttributeError(f"{name}Options has no field {field_name}")
        setattr(made, field_name, value)
    return made


def activation(name: str) -> int:
    """The number of a fused activation: NONE, RELU, RELU6, RELU_N1_TO_1."""
    number: int = getattr(schema.ActivationFunctionType, name)
    return number


def padding(name: str) -> int:
    """The number of SAME or VALID."""
    number: int = getattr(schema.Padding, name)
    return number
