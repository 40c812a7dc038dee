"""Models on this machine's own runtime, with its errors translated."""

from __future__ import annotations

from edgeq import runtime
from edgeq.errors import ConvertError, UsageError


def host_model(model: bytes, kernels: str = "xnnpack") -> runtime.Model:
    """Load a model of our own making. `UsageError` without a runtime here, `ConvertError` where it is refused."""
    try:
        return runtime.Model(model, kernels=kernels)
    except runtime.RuntimeUnavailable as error:
        raise UsageError(
            f"Golden vectors need a runtime on this machine. {error}", "pip install 'edgeq[runtime]'"
        ) from error
    except RuntimeError as error:
        raise ConvertError(
            f"{str(error).rstrip('.')}.", "The converter made something that the runtime does not run; tell us."
        ) from error


def host_runtime() -> str:
    """Name and version of the runtime here, as manifests tell it; `UsageError` without one."""
    found = runtime.available()
    if found is None:
        raise UsageError("No runtime for .tflite models is installed.", "pip install 'edgeq[runtime]'")
    return " ".join(found)
