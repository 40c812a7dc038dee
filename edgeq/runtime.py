"""The one adapter over the runtimes that execute `.tflite` models: LiteRT (`ai_edge_litert`) and `tflite_runtime`.

This file also travels in the agent: Python 3.9, nothing but the standard library at the top, no other module of edgeq,
plain exceptions. Hosts translate them. LiteRT's own chatter goes to stderr.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

KERNELS = ("xnnpack", "builtin", "reference")
_RESOLVERS = {"builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}
_MODULES = (("ai-edge-litert", "ai_edge_litert"), ("tflite-runtime", "tflite_runtime"))
MODULES = tuple(module for _, module in _MODULES)
"""The Python packages that hold a runtime."""


class RuntimeUnavailable(Exception):
    """No runtime is installed here, or the one that is does not load."""


class TensorInfo(NamedTuple):
    """One input or output. `dtype` as numpy names it; `scale` is 0 where the tensor is not quantized."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole tensor, batch included."""
        import numpy as np

        size = np.dtype(self.dtype).itemsize
        for length in self.shape:
            size *= length
        return size

    def encode(self, real: Any) -> bytes:
        """Real values as this tensor's raw little-endian bytes; `ValueError` where there are more or fewer."""
        import numpy as np

        values = np.asarray(real)
        if values.size * np.dtype(self.dtype).itemsize != self.size_bytes:
            raise ValueError(f"the input '{self.name}' has the shape {list(self.shape)}, not {list(values.shape)}")
        raw = quantize(values, self.dtype, self.scale, self.zero_point)
        return bytes(raw.astype(raw.dtype.newbyteorder("<"), copy=False).tobytes())


def quantize(real: Any, dtype: str, scale: float, zero_point: int) -> Any:
    """Real values of any shape -> integers of `dtype`, rounded to nearest (half to even) and clipped; with `scale` 0
    only the type changes."""
    import numpy as np

    if scale == 0:
        return np.asarray(real).astype(dtype)
    info = np.iinfo(dtype)
    steps = np.rint(np.asarray(real, np.float64) / scale) + zero_point
    return np.clip(steps, info.min, info.max).astype(dtype)


def available() -> tuple[str, str] | None:
    """(name, version) of the runtime that would be used here, without loading it; None where there is none."""
    from importlib import metadata

    for name, module in _MODULES:
        if importlib.util.find_spec(module) is not None:
            try:
                return name, metadata.version(name)
            except metadata.PackageNotFoundError:
                version = getattr(importlib.import_module(module), "__version__", "unknown")
                return name, str(version)
    return None


def _interpreter_module() -> Any:
    found = available()
    if found is None:
        raise RuntimeUnavailable("No runtime for .tflite models is installed (ai-edge-litert or tflite-runtime).")
    try:
        return importlib.import_module(dict(_MODULES)[found[0]] + ".interpreter")
    except Exception as error:
        where = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
        raise RuntimeUnavailable(f"The runtime {found[0]} {found[1]} does not load on {where}: {error}") from error


class Model:
    """One loaded model, ready to invoke: `load`, `run`, `read`, or all three as `invoke`. Not thread-safe.

    `model` is a path or the bytes of a `.tflite`; `kernels` is "xnnpack" (the runtime's own choice), "builtin" (its
    optimized kernels without XNNPACK: what tflite-runtime chooses by itself for int8) or "reference".
    `RuntimeUnavailable` where no runtime is installed, `ValueError` for a wrong argument, `RuntimeError` with the
    runtime's own words where it refuses the model. With `watch`, `tensor` gives what lies between the operators.
    """

    def __init__(
        self, model: str | bytes | Any, *, threads: int = 1, kernels: str = "xnnpack", watch: bool = False
    ) -> None:
        if kernels not in KERNELS:
            raise ValueError(f"The runtime knows the kernels {', '.join(KERNELS)}; {kernels!r} is not one of them.")
        if threads < 1:
            raise ValueError(f"A model needs at least one thread; {threads} were asked for.")
        module = _interpreter_module()
        options: dict[str, Any] = {"num_threads": threads}
        if watch:
            options["experimental_preserve_all_tensors"] = True
        resolver = _RESOLVERS.get(kernels)
        if resolver:
            options["experimental_op_resolver_type"] = getattr(module.OpResolverType, resolver)
        if isinstance(model, (bytes, bytearray, memoryview)):
            options["model_content"] = bytes(model)
        else:
            options["model_path"] = str(model)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns of the memory that watching takes
                self._interpreter = module.Interpreter(**options)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            raise RuntimeError(f"The runtime refuses the model: {' '.join(str(error).split())}") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input_ids = [int(detail["index"]) for detail in inputs]
        self._output_ids = [int(detail["index"]) for detail in outputs]
        self.inputs = [_tensor(detail) for detail in inputs]
        self.outputs = [_tensor(detail) for detail in outputs]
        self.kernels, self.threads = kernels, threads

    @property
    def input_bytes(self) -> int:
        """Bytes of all inputs together."""
        return sum(tensor.size_bytes for tensor in self.inputs)

    def load(self, inputs: Sequence[bytes]) -> None:
        """Set the inputs: raw little-endian bytes, one item per input in order; `ValueError` for a wrong size."""
        import numpy as np

        if len(inputs) != len(self.inputs):
            raise ValueError(f"The model has {len(self.inputs)} inputs; {len(inputs)} were given.")
        for tensor, data in zip(self.inputs, inputs):
            if len(data) != tensor.size_bytes:
                raise ValueError(f"The input '{tensor.name}' has {tensor.size_bytes} bytes; {len(data)} were given.")
        for index, tensor, data in zip(self._input_ids, self.inputs, inputs):
            array = np.frombuffer(data, dtype=np.dtype(tensor.dtype).newbyteorder("<"))
            self._interpreter.set_tensor(index, array.astype(tensor.dtype, copy=False).reshape(tensor.shape))

    def run(self) -> None:
        """One inference on what was loaded. `RuntimeError` with the runtime's words where it fails."""
        self._interpreter.invoke()

    def read(self) -> list[bytes]:
        """The outputs of the last run: raw little-endian bytes, one item per output in the model's order."""
        values = (self._interpreter.get_tensor(index) for index in self._output_ids)
        return [value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes() for value in values]

    def tensor(self, index: int) -> Any:
        """The values of a tensor after `run`, by its place in the file's main graph; for a model that is watched. None
        where the runtime does not show it."""
        try:
            return self._interpreter.get_tensor(index)
        except ValueError:
            return None

    def invoke(self, inputs: Sequence[bytes]) -> list[bytes]:
        """`load`, `run` and `read`."""
        self.load(inputs)
        self.run()
        return self.read()


def _tensor(detail: Any) -> TensorInfo:
    import numpy as np

    scale, zero_point = detail["quantization"]
    shape = tuple(int(size) for size in detail["shape"])
    return TensorInfo(str(detail["name"]), shape, np.dtype(detail["dtype"]).name, float(scale), int(zero_point))
