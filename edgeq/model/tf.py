"""What edgeq uses of TensorFlow, and the only module that imports it. Runs in the conversion worker alone.

The way: any front end gives a frozen graph (constants instead of variables, batch 1, inputs and outputs by the model's
own names); that becomes one float `.tflite`, and every quantized variant starts from its bytes. Measured on TensorFlow
2.21: quantizing a float `.tflite` gives the very tensors that a second conversion from Keras to int8 gives, for less.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from edgeq.errors import ConvertError


@dataclass(frozen=True)
class FrozenGraph:
    """A GraphDef without variables; `inputs` and `outputs` name its nodes in the model's order."""

    graph: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def tensorflow() -> ModuleType:
    """TensorFlow, imported at the first call, without scikit-learn, which Keras would load for wrappers of its own: a
    quarter of the time."""
    sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]
    import tensorflow

    module: ModuleType = tensorflow
    return module


def fixed_shape(name: str, sizes: Sequence[int | None]) -> list[int]:
    """A shape with batch 1; `ConvertError` where any other axis has no fixed size."""
    if any(size is None or size < 1 for size in sizes[1:]):
        shown = ", ".join("?" if size is None or size < 1 else str(size) for size in sizes)
        raise ConvertError(
            f"The model's input '{name}' has the shape [{shown}]; every axis but the first must have a fixed size.",
            "Give the Input layer a full shape and save the model again.",
        )
    return [1, *(int(size) for size in sizes[1:] if size is not None)]


def freeze_function(function: Any, outputs: Sequence[str]) -> FrozenGraph:
    """Freeze a concrete function; `outputs` are the names that its outputs shall have, in their order."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

    frozen, graph = convert_variables_to_constants_v2_as_graph(function, lower_control_flow=False)
    nodes = [tensor.name.partition(":")[0] for tensor in frozen.outputs]
    taken = {node.name for node in graph.node}
    names = []
    for index, (source, wanted) in enumerate(zip(nodes, outputs, strict=True)):
        name = wanted if wanted not in taken else f"{wanted}_output_{index}"
        add_output(graph, f"{source}:{frozen.outputs[index].value_index}", name, frozen.outputs[index].dtype)
        names.append(name)
    return FrozenGraph(graph, tuple(tensor.name.partition(":")[0] for tensor in frozen.inputs), tuple(names))


def freeze_session(session: Any, graph: Any, outputs: Sequence[str]) -> Any:
    """The graph of a TF 1 session with its variables as constants; `outputs` are tensor names (`node:0`)."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_from_session_graph

    nodes = [name.partition(":")[0] for name in outputs]
    return convert_variables_to_constants_from_session_graph(session, graph.as_graph_def(), nodes)


def add_output(graph: Any, source: str, name: str, dtype: Any) -> None:
    """Add an Identity node `name` that reads the tensor `source`, so that the output carries a name people know."""
    node = graph.node.add(op="Identity", name=name)
    node.input.append(source.removesuffix(":0"))
    node.attr["T"].type = dtype.as_datatype_enum


def float_tflite(frozen: FrozenGraph) -> bytes:
    """The float `.tflite` of a frozen graph."""
    tf = tensorflow()
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(frozen.graph, name=""), [])
    tensors = wrapped.graph.get_tensor_by_name
    function = wrapped.prune(
        [tensors(f"{name}:0") for name in frozen.inputs], [tensors(f"{name}:0") for name in frozen.outputs]
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.exclude_conversion_metadata = True
    return bytes(converter.convert())


class Quantizer:
    """Full-integer variants of one float `.tflite`. `feed` gives the calibration samples: for each a list of arrays in
    the order of the model's inputs, with batch dimension; it is called once for each kind of activations."""

    def __init__(self, model: bytes, feed: Callable[[], Iterable[list[NDArray[Any]]]]) -> None:
        self._model, self._feed, self._calibrated = model, feed, b""

    def int8(self, *, per_channel: bool, io: str) -> bytes:
        """Activations int8; inputs and outputs of type `io`, int8 or float32."""
        from tensorflow.lite.python.convert import deduplicate_readonly_buffers, mlir_quantize
        from tensorflow.lite.python.optimize.calibrator import Calibrator, add_intermediate_tensors

        if not self._calibrated:
            self._calibrated = Calibrator(add_intermediate_tensors(self._model)).calibrate(self._feed)
        io_type = getattr(tensorflow(), io)
        quantized = mlir_quantize(
            self._calibrated,
            disable_per_channel=not per_channel,
            disable_per_channel_for_dense_layers=not per_channel,
            input_data_type=io_type,
            output_data_type=io_type,
        )
        return bytes(deduplicate_readonly_buffers(quantized))

    def int16(self, io: str) -> bytes:
        """Activations int16, biases int64, weights per channel; inputs and outputs of type `io`, int16 or float32."""
        from tensorflow.lite.python.optimize.calibrator import Calibrator

        tf = tensorflow()
        io_type = getattr(tf, io)
        quantized = Calibrator(self._model).calibrate_and_quantize(
            self._feed,
            io_type,
            io_type,
            allow_float=False,
            activations_type=tf.int16,
            bias_type=tf.int64,
        )
        return bytes(quantized)
