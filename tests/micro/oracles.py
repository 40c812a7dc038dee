"""What the microcontroller runtime must answer: for each operator the oracle, where it is valid and why it was chosen.

As a program it answers one pickled (model, inputs) from stdin with TFLM's outputs: a process that may die.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from draws import LIMITS, Case
from flat import Array

from edgeq.model.tflite import TensorInfo, read_model

_tflm = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="TFLM's wheel: pip install tflite-micro")

Outputs = list[list[Array]]
"""Arrays per step and output."""

ARENA_BYTES = 1 << 22


class RefusedError(Exception):
    """The runtime does not take this model."""


def tflm(model: bytes, inputs: Sequence[Sequence[Array]]) -> Outputs:
    """TFLM's host interpreter. A model outside of the stated domains may abort the process: see `tflm_apart`."""
    count = len(read_model(model).outputs)
    try:
        interpreter = _tflm.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
        return [_tflm_step(interpreter, step, count) for step in inputs]
    except RuntimeError as error:
        raise RefusedError(str(error)) from error


def _tflm_step(interpreter: Any, step: Sequence[Array], count: int) -> list[Array]:
    for index, array in enumerate(step):
        interpreter.set_input(array, index)
    interpreter.invoke()
    return [np.array(interpreter.get_output(index)) for index in range(count)]


def tflm_apart(model: bytes, inputs: Sequence[Sequence[Array]]) -> Outputs:
    """The same in a process of its own, for models on which TFLM aborts: `RefusedError` then too. Takes half a
    second."""
    asked = pickle.dumps((model, inputs))
    done = subprocess.run([sys.executable, __file__], input=asked, capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise RefusedError(done.stderr.decode(errors="replace")[-500:])
    outputs: Outputs = pickle.loads(done.stdout)
    return outputs


def litert(model: bytes, inputs: Sequence[Sequence[Array]]) -> Outputs:
    """LiteRT's reference kernels (BUILTIN_REF), one thread."""
    if _svdf_with_int8_state(model):
        raise RefusedError("LiteRT takes the int8 state of an SVDF for int16 and writes past its end")
    reference = OpResolverType.BUILTIN_REF
    try:
        interpreter = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=reference)
        interpreter.allocate_tensors()
        return [_litert_step(interpreter, step) for step in inputs]
    except (RuntimeError, ValueError) as error:
        raise RefusedError(str(error)) from error


def _svdf_with_int8_state(model: bytes) -> bool:
    operators = list(read_model(model).operators)
    return any(op.name == "SVDF" and graph.tensors[op.inputs[4]].dtype == "int8" for graph, op in operators)


def _litert_step(interpreter: Interpreter, step: Sequence[Array]) -> list[Array]:
    for detail, array in zip(interpreter.get_input_details(), step, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def exact(case: Case) -> Outputs:
    """The case in float64, in units of the output's scale and not rounded; float outputs as they are."""
    info = read_model(case.model)
    steps = [[_real(a, tensor) for a, tensor in zip(step, info.inputs, strict=True)] for step in case.inputs]
    return [[_units(a, t) for a, t in zip(step, info.outputs, strict=True)] for step in case.real(steps)]


def _real(values: Array, tensor: TensorInfo) -> Array:
    if not tensor.scales:
        return values.astype(np.float64)
    return (values.astype(np.float64) - tensor.zero_points[0]) * tensor.scales[0]


def _units(values: Array, tensor: TensorInfo) -> Array:
    if not tensor.scales:
        return values
    return np.clip(values / tensor.scales[0] + tensor.zero_points[0], *LIMITS[tensor.dtype])


def apart_lsb(first: Outputs, second: Outputs) -> float:
    """The largest difference of two answers; shapes must agree."""
    pairs = [pair for steps in zip(first, second, strict=True) for pair in zip(*steps, strict=True)]
    assert all(a.shape == b.shape for a, b in pairs), [(a.shape, b.shape) for a, b in pairs]
    return max(
        (float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max()) for a, b in pairs if a.size), default=0
    )


@dataclass(frozen=True)
class Oracle:
    """Whose bytes count. Differences are the largest seen in 1,000 cases (LSTM: 6,000), in LSB of the output."""

    run: Callable[[bytes, Sequence[Sequence[Array]]], Outputs]
    runtimes_lsb: int
    """TFLM against LiteRT's reference."""
    float_lsb: float
    """The oracle against float64 arithmetic, unrounded: 0.5 is perfect; more where state is coarse (an int8 SVDF)."""
    domain: str = "any"
    """Which models; the strategies keep to it."""
    why: str = "both give the same bytes"


_TWICE = "LiteRT rounds a product once where TFLM rounds twice"
_RANGE = "|sum| shifted left by the multiplier's exponent stays below 2^31; output scale from 2^-27"
_LACKS = "TFLM lacks it for int8"
_SAME = "input and output have one quantization"

ORACLES = {
    "CONV_2D": Oracle(tflm, 0, 0.75, _RANGE),
    "DEPTHWISE_CONV_2D": Oracle(tflm, 0, 0.75, _RANGE),
    "FULLY_CONNECTED": Oracle(tflm, 1, 0.75, _RANGE, _TWICE),
    "AVERAGE_POOL_2D": Oracle(tflm, 0, 0.5, _SAME),
    "MAX_POOL_2D": Oracle(tflm, 0, 0.5, _SAME),
    "MEAN": Oracle(tflm, 0, 0.75),
    "ADD": Oracle(tflm, 0, 0.5, "output scale over 2^-19 of the larger input scale, else TFLM aborts"),
    "SUB": Oracle(tflm, 0, 0.5, "as ADD"),
    "MUL": Oracle(tflm, 1, 0.75, why="LiteRT computes the multiplier in float32"),
    "RELU": Oracle(tflm, 1, 0.75, why="LiteRT computes the multiplier in float32"),
    "RELU6": Oracle(litert, 255, 0.75, why="TFLM clamps without rescaling: wrong where the scales differ"),
    "LOGISTIC": Oracle(
        tflm, 1, 0.75, "input scale below 4, above it TFLM is off by up to 5", "LiteRT uses exact tables"
    ),
    "TANH": Oracle(tflm, 1, 0.75, "input scale below 4", "LiteRT uses exact tables"),
    "HARD_SWISH": Oracle(
        tflm, 0, 1.25, "output scale over 1/128 of the input's, else TFLM refuses, and below 2^8 of it"
    ),
    "SOFTMAX": Oracle(tflm, 0, 0.75, "depth below 512 for int8 output: where the exponentials sum to 512 TFLM aborts"),
    "RESHAPE": Oracle(tflm, 0, 0, _SAME),
    "SQUEEZE": Oracle(tflm, 0, 0, _SAME),
    "EXPAND_DIMS": Oracle(tflm, 0, 0, _SAME),
    "PAD": Oracle(tflm, 0, 0, _SAME),
    "PADV2": Oracle(tflm, 0, 0, _SAME),
    "CONCATENATION": Oracle(tflm, 0, 0, _SAME),
    "SPLIT": Oracle(tflm, 0, 0, _SAME),
    "STRIDED_SLICE": Oracle(tflm, 0, 0, _SAME + "; up to 4 axes, no ellipsis, no new axis"),
    "TRANSPOSE": Oracle(tflm, 0, 0, _SAME),
    "SLICE": Oracle(tflm, 0, 0, _SAME),
    "GATHER": Oracle(tflm, 0, 0, _SAME),
    "REVERSE_V2": Oracle(tflm, 0, 0, _SAME),
    "MIRROR_PAD": Oracle(tflm, 0, 0, _SAME),
    "RESIZE_NEAREST_NEIGHBOR": Oracle(tflm, 0, 0, _SAME),
    "SPLIT_V": Oracle(tflm, 0, 0, _SAME),
    "UNPACK": Oracle(tflm, 0, 0, _SAME),
    "PACK": Oracle(tflm, 0, 0, _SAME),
    "SPACE_TO_DEPTH": Oracle(tflm, 0, 0, _SAME),
    "DEPTH_TO_SPACE": Oracle(tflm, 0, 0, _SAME),
    "SPACE_TO_BATCH_ND": Oracle(litert, 255, 0, _SAME, "TFLM fills the border with 0, not with the zero point"),
    "BATCH_TO_SPACE_ND": Oracle(tflm, 0, 0, _SAME),
    "REDUCE_MAX": Oracle(tflm, 0, 0, _SAME),
    "REDUCE_MIN": Oracle(tflm, 0, 0, _SAME),
    "MAXIMUM": Oracle(tflm, 0, 0, _SAME),
    "MINIMUM": Oracle(tflm, 0, 0, _SAME),
    "TILE": Oracle(litert, 0, 0, _SAME, _LACKS),
    "BROADCAST_TO": Oracle(tflm, 0, 0, _SAME, "LiteRT lacks it for int8"),
    "SUM": Oracle(
        tflm, 255, 1, "sums that fit the output: beyond it TFLM wraps", "LiteRT is wrong where the scales differ"
    ),
    "ABS": Oracle(tflm, 0, 0.75),
    "RELU_N1_TO_1": Oracle(litert, 0, 0.75, why=_LACKS),
    "RELU_0_TO_1": Oracle(litert, 0, 0.75, why=_LACKS),
    "ELU": Oracle(tflm, 0, 0.75, why="LiteRT lacks this version"),
    "EXP": Oracle(litert, 0, 0.75, why=_LACKS),
    "LOG": Oracle(litert, 0, 0.75, why=_LACKS),
    "GELU": Oracle(litert, 0, 0.75, why=_LACKS),
    "LEAKY_RELU": Oracle(tflm, 1, 0.75, why="LiteRT computes the multipliers in float32"),
    "PRELU": Oracle(tflm, 0, 0.75, "constant slopes"),
    "TRANSPOSE_CONV": Oracle(tflm, 0, 0.75, _RANGE),
    "QUANTIZE": Oracle(tflm, 0, 0.75, "|x / scale| below 2^31, int32 inputs below 2^30", "LiteRT has no int32 output"),
    "DEQUANTIZE": Oracle(tflm, 0, 1e-2),
    "SVDF": Oracle(tflm, 0, 8, "state zero point 0, sums in 32 bits", "LiteRT corrupts memory with an int8 state"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Oracle(
        tflm,
        14,
        6,
        "cell scale a power of two, 2^-15 to 2^-9; no peepholes, projection, layer norm or CIFG",
        "steps amplify roundings, and TFLM stays nearer to float64 than LiteRT",
    ),
    "VARIABLES": Oracle(tflm, 0, 0, why="LiteRT refuses to read what nothing assigned; TFLM starts at the zero point"),
}


def expected(case: Case) -> Outputs:
    """The outputs that the runtime must give, byte for byte."""
    return ORACLES[case.op].run(case.model, case.inputs)


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(tflm(*pickle.load(sys.stdin.buffer))))
