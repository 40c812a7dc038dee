"""A model of the runtime edgeq-micro on a Linux device: the image and the library of a release, by ctypes.

The same calls as `edgeq.runtime.Model` has. No numpy is needed: raw inputs go through the image's own front end.
"""

from __future__ import annotations

import ctypes
import json
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeq.protocol.status import Status
from edgeq.runtime import TensorInfo

NAME = "edgeq-micro"
IMAGE, LIBRARY = "image.eqi", "libedgeq-micro.so"
"""Members of a release that runs on it."""
ALIGN = 16
EMPTY_STEPS = 101
ABI_AT, ARENA_AT = 44, 48
"""Places in the image's envelope (firmware_stubs/DESIGN.md)."""
_DTYPES = {"int16": 2, "float32": 4, "uint8": 5}
_MEANINGS = {
    Status.INVALID: "an offset, length, shape or parameter of it is out of range",
    Status.NO_SPACE: "it needs a larger arena",
    Status.MISMATCH: "its weights are packed for another runtime",
    Status.UNSUPPORTED: "it needs a kernel that this runtime lacks",
    Status.NEWER: "it is of another plan ABI",
}

_POINTER, _INT, _SIZE, _U32 = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint32
_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "eq_native_model_bytes": (_SIZE, []),
    "eq_native_frontend_bytes": (_SIZE, []),
    "eq_model_open": (_INT, [_POINTER, _POINTER, _SIZE, _POINTER, _SIZE]),
    "eq_invoke": (None, [_POINTER]),
    "eq_begin": (None, [_POINTER]),
    "eq_step": (_INT, [_POINTER]),
    "eq_next_kind": (_U32, [_POINTER]),
    "eq_input": (_POINTER, [_POINTER, ctypes.c_uint, _POINTER]),
    "eq_output": (_POINTER, [_POINTER, ctypes.c_uint, _POINTER]),
    "eq_frontend_open": (_INT, [_POINTER, _POINTER]),
    "eq_frontend_begin": (_INT, [_POINTER, _POINTER, _POINTER]),
    "eq_frontend_bytes": (_U32, [_POINTER]),
    "eq_frontend_feed": (_U32, [_POINTER, _POINTER, _U32]),
    "eq_frontend_step": (_INT, [_POINTER]),
}


class _Raw(ctypes.Structure):
    """`struct eq_raw`."""

    _fields_ = (("dtype", _U32), ("rank", _U32), ("dims", _U32 * 3), ("rate_hz", _U32))


def _memory(size: int) -> Any:
    """Zeros at a multiple of the runtime's alignment."""
    room = bytearray(size + ALIGN)
    skip = -ctypes.addressof(ctypes.c_char.from_buffer(room)) % ALIGN
    return (ctypes.c_char * size).from_buffer(room, skip)


class MicroModel:
    """One loaded release, ready to invoke. `RuntimeError` with the reason where library or image is refused."""

    def __init__(self, folder: Path) -> None:
        image = (folder / IMAGE).read_bytes()
        if len(image) < ARENA_AT + 4:
            raise RuntimeError(f"The runtime {NAME} refuses the image: it is too short")
        (abi,), (arena_bytes,) = struct.unpack_from("<H", image, ABI_AT), struct.unpack_from("<I", image, ARENA_AT)
        self.title = f"{NAME} {abi}"
        try:
            self._library = ctypes.CDLL(str(folder / LIBRARY))
        except OSError as error:
            raise RuntimeError(f"The library of {NAME} does not load here: {error}") from error
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        # Kept here: the runtime keeps pointers into all of them.
        self._image, self._arena = _memory(len(image)), _memory(max(1, arena_bytes))
        self._image.raw = image
        self._model = _memory(self._library.eq_native_model_bytes())
        self._frontend = _memory(self._library.eq_native_frontend_bytes())
        self._refuse(self._library.eq_model_open(self._model, self._image, len(image), self._arena, arena_bytes))
        self.has_frontend = self._library.eq_frontend_open(self._frontend, self._model) == 0
        interface = json.loads((folder / "interface.json").read_text(encoding="utf-8"))
        self.inputs = [_tensor(entry) for entry in interface["inputs"]]
        self._places = {
            function: self._tensors(function, len(interface[key]))
            for function, key in (("eq_input", "inputs"), ("eq_output", "outputs"))
        }
        self.input_bytes = sum(size for _, size in self._places["eq_input"])

    def _refuse(self, status: int) -> None:
        if status:
            meaning = _MEANINGS.get(Status(-status), f"status {status}")
            raise RuntimeError(f"The runtime {NAME} refuses the image: {meaning}")

    def _tensors(self, function: str, count: int) -> list[tuple[int, int]]:
        """Address and length of each input or output."""
        found = []
        for index in range(count):
            size = _U32()
            found.append((getattr(self._library, function)(self._model, index, ctypes.byref(size)), size.value))
        return found

    def load(self, inputs: Sequence[bytes]) -> None:
        """Set the inputs: raw little-endian bytes, one item per input in order; `ValueError` for a wrong size."""
        places = self._places["eq_input"]
        if [len(data) for data in inputs] != [size for _, size in places]:
            raise ValueError(f"The model takes inputs of {[size for _, size in places]} bytes.")
        for (place, size), data in zip(places, inputs):
            ctypes.memmove(place, data, size)

    def run(self) -> None:
        """One inference on what was loaded."""
        self._library.eq_invoke(self._model)

    def profile(self) -> list[tuple[int, int]]:
        """One inference step by step: for each record of the plan its kind and its nanoseconds, `call_ns` of them for
        asking."""
        library, model, found, more = self._library, self._model, [], True
        library.eq_begin(model)
        while more:
            kind = library.eq_next_kind(model)
            start = time.perf_counter_ns()
            more = library.eq_step(model)
            found.append((kind, time.perf_counter_ns() - start))
        return found

    def call_ns(self) -> int:
        """What it takes to ask for a step and to time it: of steps behind the last one, which do nothing."""
        spent = []
        for _ in range(EMPTY_STEPS):
            start = time.perf_counter_ns()
            self._library.eq_step(self._model)
            spent.append(time.perf_counter_ns() - start)
        return sorted(spent)[EMPTY_STEPS // 2]

    def read(self) -> list[bytes]:
        """The outputs of the last run."""
        return [ctypes.string_at(place, size) for place, size in self._places["eq_output"]]

    def invoke(self, inputs: Sequence[bytes]) -> list[bytes]:
        """`load`, `run` and `read`."""
        self.load(inputs)
        self.run()
        return self.read()

    def invoke_raw(self, raw: dict[str, Any]) -> list[bytes]:
        """One inference from a raw input (`edgeq.preprocess.wire`); `ValueError` says what the front end refuses."""
        if not self.has_frontend:
            raise ValueError("this release has no preprocessing for raw inputs")
        shape = [int(extent) for extent in raw["shape"]]
        item = _Raw(_DTYPES.get(raw["type"], 0), len(shape), tuple([*shape, 0, 0, 0][:3]), int(raw.get("rate", 0)))
        why = ctypes.c_char_p()
        if self._library.eq_frontend_begin(self._frontend, ctypes.byref(item), ctypes.byref(why)):
            raise ValueError(f"the raw input is refused: {(why.value or b'').decode()}")
        data = raw["data"]
        if len(data) != self._library.eq_frontend_bytes(self._frontend):
            raise ValueError(f"a raw input of shape {shape} has {len(data)} bytes")
        while data:
            data = data[self._library.eq_frontend_feed(self._frontend, data, len(data)) :]
        while self._library.eq_frontend_step(self._frontend):
            pass
        self.run()
        return self.read()


def measure(model: MicroModel, inputs: Sequence[bytes], runs: int) -> Iterator[dict[str, Any]]:
    """As `edgeq.agent.litert_profile.measure`: `detail` with the kinds of the plan's records, then for each run `op_ns`
    and `invoke_ns`, of inferences with and without asking for each step in turn."""
    from edgeq.agent.litert_profile import packed

    model.invoke(inputs)
    model.load(inputs)
    kinds = [kind for kind, _ in model.profile()]
    facts = {"runtime": model.title, "threads": 1, "kernels": NAME, "clock_ns": model.call_ns()}
    yield {"detail": packed({**facts, "records": kinds})}
    for _ in range(runs):
        model.load(inputs)
        spent = [spent for _, spent in model.profile()]
        model.load(inputs)
        start = time.perf_counter_ns()
        model.run()
        yield {"op_ns": spent, "invoke_ns": time.perf_counter_ns() - start}


def _tensor(entry: dict[str, Any]) -> TensorInfo:
    scale, zero_point = float(entry.get("scale") or 0), int(entry.get("zero_point") or 0)
    return TensorInfo(entry["name"], tuple(entry["shape"]), entry["dtype"], scale, zero_point)
