"""Models on this machine's own runtime, with its errors translated."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from edgeq import runtime
from edgeq.errors import ConvertError, UsageError
from edgeq.micro.compile import compile_model
from edgeq.micro.image import PLAN_ABI
from edgeq.micro.native import NativeModel

MICRO = "edgeq-micro"
"""The kernel family of the microcontroller runtime."""


def invoke_all(model: bytes, kernels: str, inputs: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    """The outputs for each of `inputs`, as raw bytes, from one load of a model of our own making, with one thread.

    `UsageError` without a runtime on this machine, `ConvertError` where it refuses the model.
    """
    if kernels == MICRO:
        with NativeModel(compile_model(model).image()) as micro:
            for item in inputs:
                yield micro.invoke(item)
        return
    try:
        with _silent_stderr():
            runner = runtime.Model(model, kernels=kernels)
        for item in inputs:
            yield runner.invoke(item)
    except runtime.RuntimeUnavailable as error:
        raise UsageError(f"The model must run on this machine too. {error}", "pip install 'edgeq[runtime]'") from error
    except RuntimeError as error:
        raise ConvertError(
            f"The converted model does not run here: {' '.join(str(error).split())}",
            "Some layer converts to something that the runtime does not run: replace the layers one by one.",
        ) from error


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """The runtime greets on the process's own stderr while it loads; nobody asked."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def host_runtime(kernels: str) -> str:
    """Name and version of the runtime here that has a kernel family; `UsageError` without one."""
    if kernels == MICRO:
        return f"{MICRO} {PLAN_ABI}"
    found = runtime.available()
    if found is None:
        raise UsageError("No runtime for .tflite models is installed.", "pip install 'edgeq[runtime]'")
    return " ".join(found)
