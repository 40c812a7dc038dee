"""A quantized model in TensorFlow Lite Micro's own interpreter, where its wheel (`tflite-micro`) is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.finding import Finding
from edgeq.model.tflite import read_model
from edgeq.quantize.samples import Samples
from edgeq.quantize.task import Job, in_worker

ARENA_BYTES = 1 << 24
HINT = "The model runs in edgeq's own runtime; another firmware that has TFLM in it may answer otherwise."


def installed() -> bool:
    """Whether the wheel is there; it is not needed, and not among the extras."""
    return importlib.util.find_spec("tflite_micro") is not None


def cross_check(model: bytes, inputs: Sequence[Sequence[bytes]], outputs: Sequence[Sequence[bytes]]) -> list[Finding]:
    """A warning where TFLM refuses `model`, or gives other bytes than `outputs` for the golden `inputs`; nothing where
    it is not installed, and for models with a state, whose first one TFLM shares between inferences."""
    info = read_model(model)
    if not installed() or not inputs or "VAR_HANDLE" in info.op_counts():
        return []
    arrays = [[np.frombuffer(item, np.uint8) for item in vector] for vector in inputs]
    given = Samples((), len(arrays), lambda index: arrays[index])
    try:
        told = in_worker(answers, "The look at TFLM", model, given, {})
    except EdgeqError as error:
        return [Finding("tflm", "warning", f"TFLM does not run the model: {error.message}", HINT)]
    worst = max(
        _steps(bytes.fromhex(got), want, tensor.dtype)
        for one, other in zip(told, outputs, strict=True)
        for got, want, tensor in zip(one, other, info.outputs, strict=True)
    )
    if not worst:
        return []
    message = f"TFLM's answers differ from edgeq's runtime by {worst} steps at most on the golden vectors."
    return [Finding("tflm", "warning", message, HINT, worst, 0)]


def answers(job: Job) -> list[list[str]]:
    """The task: the bytes of every output for each sample, in hexadecimal; a sample holds the inputs' bytes."""
    from tflite_micro.python.tflite_micro import runtime

    info, found = read_model(job.model), []
    interpreter: Any = runtime.Interpreter.from_bytes(job.model, arena_size=ARENA_BYTES)
    for index in range(len(job.samples)):
        for place, (data, tensor) in enumerate(zip(job.samples.read(index), info.inputs, strict=True)):
            interpreter.set_input(data.view(tensor.dtype).reshape(tensor.shape), place)
        interpreter.invoke()
        rows = [np.array(interpreter.get_output(place)) for place in range(len(info.outputs))]
        found.append([row.tobytes().hex() for row in rows])
    return found


def _steps(got: bytes, want: bytes, dtype: str) -> int:
    one, other = np.frombuffer(got, dtype).astype(np.int64), np.frombuffer(want, dtype).astype(np.int64)
    return int(np.abs(one - other).max()) if one.size == other.size and one.size else int(one.size != other.size)
