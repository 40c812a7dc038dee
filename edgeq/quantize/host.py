"""Models on this machine's own runtime, with its errors translated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgeq import runtime
from edgeq.errors import ConvertError, UsageError


def invoke_all(model: bytes, kernels: str, inputs: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    """The outputs for each of `inputs`, as raw bytes, from one load of a model of our own making, with one thread.

    `UsageError` without a runtime on this machine, `ConvertError` where it refuses the model.
    """
    try:
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


def host_runtime() -> str:
    """Name and version of the runtime here, as manifests tell it; `UsageError` without one."""
    found = runtime.available()
    if found is None:
        raise UsageError("No runtime for .tflite models is installed.", "pip install 'edgeq[runtime]'")
    return " ".join(found)
