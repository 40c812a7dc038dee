"""Models on this machine's own runtime, with its errors translated."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from edgeq import runtime
from edgeq.errors import UsageError
from edgeq.micro.compile import compile_model
from edgeq.micro.image import PLAN_ABI
from edgeq.micro.native import NativeModel
from edgeq.model.custom import check_custom
from edgeq.model.tflite import read_model
from edgeq.quantize.sandbox import Sandbox

MICRO = "edgeq-micro"
"""The kernel family of the microcontroller runtime."""
ARM = ("aarch64", "arm64", "armv7l", "armv8l")


def invoke_all(model: bytes, kernels: str, inputs: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    """The outputs for each of `inputs`, as raw bytes, from one load of a model, with one thread.

    The model may be anybody's: its structure is checked first, and it runs in a process of its own.
    `ArtifactError` for a damaged file, `UsageError` without a runtime here, `ConvertError` where it refuses the model.
    """
    if kernels == MICRO:
        with NativeModel(compile_model(model).image()) as micro:
            for item in inputs:
                yield micro.invoke(item)
        return
    check_custom(read_model(model))
    with Sandbox(model, stand_in(kernels, platform.machine())) as sandbox:
        for item in inputs:
            yield sandbox.invoke(item)


def stand_in(kernels: str, machine: str) -> str:
    """The kernels of this `machine` that give what a family gives on an Arm core.

    The builtin kernels for Arm round twice, as the reference kernels do; those for x86 round once, which was up to 43
    output steps away. XNNPACK gives the same everywhere.
    """
    return "reference" if kernels == "builtin" and machine not in ARM else kernels


def host_runtime(kernels: str) -> str:
    """Name and version of the runtime here that has a kernel family; `UsageError` without one."""
    if kernels == MICRO:
        return f"{MICRO} {PLAN_ABI}"
    found = runtime.available()
    if found is None:
        raise UsageError("No runtime for .tflite models is installed.", "pip install 'edgeq[runtime]'")
    return " ".join(found)
