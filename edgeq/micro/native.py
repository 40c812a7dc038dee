"""The C runtime on this machine, by ctypes: an image is opened and invoked just as a microcontroller does it.

The runtime has no globals: several models may be open at once and run in threads of their own.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from ctypes import c_char_p, c_int, c_size_t, c_uint, c_uint16, c_uint32, c_void_p
from functools import cache
from itertools import count
from types import TracebackType

from edgeq.errors import ArtifactError, UsageError
from edgeq.micro.image import ALIGN, read_image
from edgeq.micro.library import find_library
from edgeq.micro.lower.context import DTYPES
from edgeq.preprocess import Raw
from edgeq.preprocess.wire import encode_raw
from edgeq.protocol.status import Status

_PROTOTYPES = {
    "eq_model_open": (c_int, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t]),
    "eq_model_reset": (None, [c_void_p]),
    "eq_begin": (None, [c_void_p]),
    "eq_step": (c_int, [c_void_p]),
    "eq_invoke": (None, [c_void_p]),
    "eq_input": (c_void_p, [c_void_p, c_uint, c_void_p]),
    "eq_output": (c_void_p, [c_void_p, c_uint, c_void_p]),
    "eq_golden": (c_uint32, [c_void_p, c_uint]),
    "eq_golden_apart": (c_uint32, [c_void_p, c_void_p]),
    "eq_frontend_open": (c_int, [c_void_p, c_void_p]),
    "eq_frontend_begin": (c_int, [c_void_p, c_void_p, c_void_p]),
    "eq_frontend_bytes": (c_uint32, [c_void_p]),
    "eq_frontend_feed": (c_uint32, [c_void_p, c_void_p, c_uint32]),
    "eq_frontend_step": (c_int, [c_void_p]),
    "eq_frontend_goldens": (c_uint32, [c_void_p]),
    "eq_frontend_golden_begin": (c_int, [c_void_p, c_uint32, c_void_p, c_void_p]),
    "eq_frontend_golden_compare": (c_uint32, [c_void_p, c_uint32]),
    "eq_native_model_bytes": (c_size_t, []),
    "eq_native_frontend_bytes": (c_size_t, []),
    "eq_native_goldens": (c_uint, [c_void_p]),
    "eq_native_kinds": (c_size_t, [c_void_p, c_void_p, c_size_t]),
}
_MEANINGS = {
    Status.INVALID: "an offset, length, shape or parameter of it is out of range",
    Status.NO_SPACE: "it needs a larger arena",
    Status.MISMATCH: "its weights are packed for another runtime",
    Status.UNSUPPORTED: "it needs a kernel that this runtime lacks",
    Status.NEWER: "it is of another plan ABI",
}


@cache
def _library() -> ctypes.CDLL:
    path = find_library()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise UsageError(
            f"The microcontroller runtime does not load here: {error}",
            f"Delete {path}, name a compiler for this machine in CC, and try again.",
        ) from error
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


Memory = ctypes.Array[ctypes.c_char]


def _memory(size_bytes: int) -> Memory:
    """Zeros at a multiple of the runtime's alignment."""
    room = bytearray(size_bytes + ALIGN)
    skip = -ctypes.addressof(ctypes.c_char.from_buffer(room)) % ALIGN
    return (ctypes.c_char * size_bytes).from_buffer(room, skip)


class _Raw(ctypes.Structure):
    """`struct eq_raw`."""

    _fields_ = (("dtype", c_uint32), ("rank", c_uint32), ("dims", c_uint32 * 3), ("rate_hz", c_uint32))


class NativeModel:
    """An open image. `ArtifactError` where it is damaged or refused, `UsageError` where the runtime cannot be built.

    `input_bytes` and `output_bytes` hold a length for each input and output; `goldens` is how many golden vectors there
    are, `raw_goldens` how many that begin with raw input; `has_frontend` whether it takes raw input. A context manager;
    calls from several threads wait for each other.
    """

    def __init__(self, image: bytes) -> None:
        arena_bytes = read_image(image).arena_bytes
        self._lock = threading.RLock()
        self._runtime = _library()
        self._image, self._arena = _memory(len(image)), _memory(arena_bytes)
        self._image.raw = image
        self._model: Memory | None = _memory(self._runtime.eq_native_model_bytes())
        self._check(self._runtime.eq_model_open(self._model, self._image, len(image), self._arena, arena_bytes))
        self._frontend = _memory(self._runtime.eq_native_frontend_bytes())
        status = self._runtime.eq_frontend_open(self._frontend, self._model)
        self.has_frontend = status != -Status.NOT_FOUND
        if self.has_frontend:
            self._check(status)
        self.input_bytes = tuple(size for _, size in self._tensors("eq_input"))
        self.output_bytes = tuple(size for _, size in self._tensors("eq_output"))
        self.goldens: int = self._runtime.eq_native_goldens(self._model)
        self.raw_goldens: int = self._runtime.eq_frontend_goldens(self._frontend)

    def _check(self, status: int) -> None:
        if status:
            meaning = _MEANINGS.get(Status(-status), f"status {status}")
            raise ArtifactError(f"The runtime refuses the image: {meaning}.", "Build it again with this edgeq.")

    def invoke(self, inputs: Sequence[bytes], after_op: Callable[[], object] | None = None) -> list[bytes]:
        """One inference: raw outputs for raw inputs. `after_op` is called behind every op, in step with `step_kinds`.

        `UsageError` for inputs of other lengths."""
        if tuple(map(len, inputs)) != self.input_bytes:
            given, wanted = [len(data) for data in inputs], list(self.input_bytes)
            raise UsageError(f"The model takes inputs of {wanted} bytes; {given} bytes were given.")
        with self._lock:
            for (place, _), data in zip(self._tensors("eq_input"), inputs, strict=True):
                ctypes.memmove(place, data, len(data))
            self._run(after_op)
            return [ctypes.string_at(place, size) for place, size in self._tensors("eq_output")]

    def _run(self, after_op: Callable[[], object] | None) -> None:
        if after_op is None:
            self._runtime.eq_invoke(self._open())
            return
        self._runtime.eq_begin(self._open())
        for _ in self.step_kinds():
            self._runtime.eq_step(self._open())
            after_op()

    def preprocess(self, raw: Raw, chunks: Sequence[int] = ()) -> bytes:
        """What the front end makes of a raw input: the bytes of the model's input. They are fed in pieces of `chunks`
        bytes, then the rest. `UsageError` for what it does not take, and without a front end."""
        if not self.has_frontend:
            raise UsageError("The image has no front end.", "Compile the model with [preprocess].")
        sent = encode_raw(raw)
        shape = sent["shape"]
        item = _Raw(DTYPES[sent["type"]], len(shape), (*shape, 0, 0, 0)[:3], sent["rate"])
        with self._lock:
            self._open()
            why = c_char_p()
            if self._runtime.eq_frontend_begin(self._frontend, ctypes.byref(item), ctypes.byref(why)):
                raise UsageError(f"The front end refuses the input: {(why.value or b'').decode()}.")
            self._feed(sent["data"], chunks)
            while self._runtime.eq_frontend_step(self._frontend):
                pass
            place, size = self._tensors("eq_input")[0]
            return ctypes.string_at(place, size)

    def _feed(self, data: bytes, chunks: Sequence[int]) -> None:
        at = 0
        for size in (*chunks, len(data)):
            piece = data[at : at + size]
            while piece:
                taken = self._runtime.eq_frontend_feed(self._frontend, piece, len(piece))
                piece, at = piece[taken:], at + taken

    def invoke_raw(self, raw: Raw) -> list[bytes]:
        """One inference from a raw input: raw outputs."""
        with self._lock:
            return self.invoke([self.preprocess(raw)])

    def golden_raw(self, index: int) -> int:
        """Run golden vector `index` of those from raw input, after all others: as `golden`."""
        if not 0 <= index < self.raw_goldens:
            raise UsageError(f"The image has {self.raw_goldens} golden vectors from raw input; there is no {index}.")
        with self._lock:
            self._open()
            data, size = c_void_p(), c_uint32()
            self._check(
                self._runtime.eq_frontend_golden_begin(self._frontend, index, ctypes.byref(data), ctypes.byref(size))
            )
            self._feed(ctypes.string_at(data.value or 0, size.value), ())
            while self._runtime.eq_frontend_step(self._frontend):
                pass
            self._run(None)
            return int(self._runtime.eq_frontend_golden_compare(self._frontend, index))

    def memory(self, at: int, size_bytes: int) -> bytes:
        """What lies in the arena, also while `after_op` is called."""
        return bytes(memoryview(self._arena)[at : at + size_bytes])

    def reset(self) -> None:
        """Variables get their first values again."""
        with self._lock:
            self._runtime.eq_model_reset(self._open())

    def golden(self, index: int) -> int:
        """Run golden vector `index` (0 resets first): the largest difference of an output value, in steps.

        `UsageError` where there is no such vector."""
        if not 0 <= index < self.goldens:
            raise UsageError(f"The image has {self.goldens} golden vectors; there is none with number {index}.")
        with self._lock:
            return int(self._runtime.eq_golden(self._open(), index))

    def step_kinds(self) -> tuple[int, ...]:
        """`enum eq_kind` of every op, in the order of execution."""
        length = self._runtime.eq_native_kinds(self._open(), None, 0)
        kinds = (c_uint16 * length)()
        self._runtime.eq_native_kinds(self._open(), kinds, length)
        return tuple(kinds)

    def close(self) -> None:
        """Give the memory back; the model is of no more use."""
        with self._lock:
            self._model = None
            self._image, self._arena = _memory(0), _memory(0)

    def _open(self) -> Memory:
        if self._model is None:
            raise ValueError("the model is closed")
        return self._model

    def _tensors(self, function: str) -> list[tuple[int, int]]:
        """Address and length of every input or output."""
        found: list[tuple[int, int]] = []
        for index in count():
            size = c_uint32()
            place = getattr(self._runtime, function)(self._open(), index, ctypes.byref(size))
            if place is None:
                return found
            found.append((place, size.value))
        return found

    def __enter__(self) -> NativeModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
