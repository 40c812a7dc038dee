"""What each op of a model takes by LiteRT's own profiler, through the C interface of the `libLiteRt.so` that ships in
`ai-edge-litert`.

The interface is the one of the versions in `CHECKED` (headers `litert/c/*.h` of github.com/google-ai-edge/LiteRT): it
differs between versions and the library does not tell its own, so that no other is tried. What comes out of the library
is checked before it is believed. Runs in a worker process, which ends a library that crashes.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status
from edgeq.runtime import available

CHECKED = ("2.3",)
KERNELS = ("xnnpack", "builtin")
"""What the profiler's side of the library can execute. The profiler is that of the compiled model, which is always made
with `BuiltinOpResolverWithoutDefaultDelegates` (`InitializeRuntime` in litert/runtime/compiled_model.cc): asked for
reference kernels, 2.3.0 takes its builtin ones and says nothing. `BuiltinRefOpResolver` is in the library, but nothing
that the library exports takes it; the interpreter of the wheel does, and has no profiler."""
REFERENCE = (
    ": its compiled model, which has the profiler, always takes builtin kernels in their place, and its interpreter, "
    "which has them, has no profiler"
)
INSTALL = "ai-edge-litert 2.3"
CLOCK_NS = 1000
"""The profiler tells whole microseconds."""
MOST_EVENTS = 2048
"""The profiler's buffer, of which the newest are lost."""
MOST_DETAIL_BYTES = 40 << 10
MOST_TAG_BYTES = 1024

EVENT = struct.Struct("<QI4xQQ3q3qQQI")
"""`ProfiledEventData` of C++: tag, type, start and duration in us, memory before and behind (three numbers each), the
number of the node, that of its graph, source."""
EVENT_BYTES = 104
_FILL = 0xA5
OPERATOR, DELEGATE_OPERATOR = 2, 8
"""Types of events: a node that a kernel executes, and one of a delegate that tells of its own."""
_TYPES = tuple(1 << bit for bit in range(9))
_BATCH_MATMUL = 126
_STRIDE = {"stride_h": "StrideH", "stride_w": "StrideW"}
_DILATION = {"dilation_h": "DilationH", "dilation_w": "DilationW"}
_SIZE = {"size_h": "FilterHeight", "size_w": "FilterWidth"}
_OPTIONS = {
    1: ("AveragePool2d", {**_STRIDE, **_SIZE}),
    3: ("Conv2d", {**_STRIDE, **_DILATION}),
    4: ("DepthwiseConv2d", {**_STRIDE, **_DILATION}),
    12: ("L2Pool2d", {**_STRIDE, **_SIZE}),
    17: ("MaxPool2d", {**_STRIDE, **_SIZE}),
    67: ("TransposeConv", _STRIDE),
}
"""Ops that move a filter over a picture, by their numbers: what the library's functions call them and their options."""
_BITS = dict(zip(range(1, 20), (32, 32, 8, 64, 0, 8, 16, 64, 8, 16, 64, 128, 64, 0, 0, 32, 16, 4, 16)))
"""Bits of an element by `LiteRtElementType`; 0 for those without a fixed size."""
_TYPE_BYTES = 72
_DIMENSIONS = 8
_CPU = 1

_Handle = ctypes.c_void_p
_Destructor = ctypes.CFUNCTYPE(None, _Handle)


class Event(NamedTuple):
    """One op of one inference: the node's number (the delegate's own numbering where `kind` is DELEGATE_OPERATOR), what
    the runtime calls it, and its nanoseconds."""

    kind: int
    node: int
    tag: str
    spent_ns: int


def check(kernels: str) -> str:
    """The runtime and its version, where it can tell of its ops; UNSUPPORTED, with what would, elsewhere."""
    name, version = available() or ("", "")
    if not name:
        raise _no(f"{INSTALL} is not installed for this release, whose profiler would tell of its ops")
    if name != "ai-edge-litert" or ".".join(version.split(".")[:2]) not in CHECKED:
        raise _no(f"{name} {version} has no profiler that edgeq knows; {INSTALL} has one")
    if kernels not in KERNELS:
        why = f"{name} {version} profiles {' and '.join(KERNELS)} kernels, not {kernels} ones"
        raise _no(f"{why}{REFERENCE if kernels == 'reference' else ''}")
    return f"{name} {version}"


def _no(reason: str) -> Refused:
    return Refused(Status.UNSUPPORTED, reason)


def _library() -> Any:
    found = importlib.util.find_spec("ai_edge_litert")
    folders = list(found.submodule_search_locations or ()) if found else []
    paths = [Path(folder) / "libLiteRt.so" for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise _no(f"this ai-edge-litert comes without libLiteRt.so; {INSTALL} from PyPI has it")
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise _no(f"libLiteRt.so does not load: {error}"[:300]) from error


class ProfiledModel:
    """A model as LiteRT compiles it, with the profiler on. Nothing is given back: the process ends soon."""

    def __init__(self, path: Path, threads: int, kernels: str) -> None:
        self.runtime = check(kernels)
        self._lib, self._kept = _library(), list[Any]()
        self._environment = self._new("LiteRtCreateEnvironment", ctypes.c_int(0), None)
        self._model = self._new("LiteRtCreateModelFromFile", self._environment, str(path).encode())
        options = self._new("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, ctypes.c_int(_CPU))
        self._add(options, "runtime_options_string", "enable_profiling = true\n")
        self._add(options, "xnnpack", f'kernel_mode = "{kernels}"\nnum_threads = {threads}\n')
        self._compiled = self._new("LiteRtCreateCompiledModel", self._environment, self._model, options)
        self._profiler = self._new("LiteRtCompiledModelGetProfiler", self._compiled)
        self._main = self._new("LiteRtGetModelSubgraph", self._model, ctypes.c_size_t(0))
        self._signature, signature = self._of_main()
        self._inputs = self._buffers("Input", signature)
        self._outputs = self._buffers("Output", signature)

    def load(self, inputs: Sequence[bytes]) -> None:
        """Set the inputs, raw bytes, one item per input in order."""
        if len(inputs) != len(self._inputs):
            raise Refused(Status.INVALID, f"the model has {len(self._inputs)} inputs; {len(inputs)} were given")
        for (buffer, size), data in zip(self._inputs, inputs):
            if len(data) != size:
                raise Refused(Status.INVALID, f"an input has {size} bytes; {len(data)} were given")
            place = _Handle()
            self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(place), ctypes.c_int(1))
            ctypes.memmove(place, data, size)
            self._call("LiteRtUnlockTensorBuffer", buffer)

    def read(self) -> list[bytes]:
        """The outputs of the last run."""
        found = []
        for buffer, size in self._outputs:
            place = _Handle()
            self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(place), ctypes.c_int(0))
            found.append(ctypes.string_at(place, size))
            self._call("LiteRtUnlockTensorBuffer", buffer)
        return found

    def run(self) -> int:
        """One inference that is not profiled; its nanoseconds."""
        (ins, outs), run = self._arrays, self._lib.LiteRtRunCompiledModel
        signature, counts = self._signature, (ctypes.c_size_t(len(ins)), ctypes.c_size_t(len(outs)))
        start = time.perf_counter_ns()
        status = run(self._compiled, signature, counts[0], ins, counts[1], outs)
        spent_ns = time.perf_counter_ns() - start
        if status:
            raise Refused(Status.RUNTIME, f"LiteRtRunCompiledModel answers {status}")
        return spent_ns

    def profile(self) -> list[Event]:
        """One inference that is: the ops of the main graph, in the order in which they ran. What a control flow op runs
        counts as its own."""
        self._call("LiteRtStartProfiler", self._profiler)
        try:
            self.run()
        finally:
            self._call("LiteRtStopProfiler", self._profiler)
        return list(self._events())

    def graph(self) -> list[dict[str, Any]]:
        """The nodes of the main graph: number of the builtin operator, name of the first output, shapes, bytes that it
        reads and writes, weights too, and the options that tell how a filter moves."""
        count = self._number("LiteRtGetNumSubgraphOps", self._main, ctypes.c_size_t)
        return [
            self._node(self._new("LiteRtGetSubgraphOp", self._main, ctypes.c_size_t(index)), index)
            for index in range(count)
        ]

    def graph_name(self) -> str:
        """What the file calls its main graph."""
        name = ctypes.c_char_p()
        self._call("LiteRtGetSubgraphName", self._main, ctypes.byref(name))
        return _text(name.value or b"")

    def _of_main(self) -> tuple[Any, Any]:
        """The signature that calls the main graph, its number and itself; LiteRT gives one to a model without any."""
        for index in map(
            ctypes.c_size_t, range(self._number("LiteRtGetNumModelSignatures", self._model, ctypes.c_size_t))
        ):
            signature = self._new("LiteRtGetModelSignature", self._model, index)
            if self._new("LiteRtGetSignatureSubgraph", signature).value == self._main.value:
                return index, signature
        raise _no("the model names no way to call its main graph, which the profiler needs")

    @property
    def _arrays(self) -> tuple[Any, Any]:
        ins, outs = ([buffer for buffer, _ in part] for part in (self._inputs, self._outputs))
        return (_Handle * len(ins))(*ins), (_Handle * len(outs))(*outs)

    def _call(self, name: str, *args: Any) -> None:
        function = getattr(self._lib, name, None)
        if function is None:
            raise _no(f"libLiteRt.so has no {name}; {INSTALL} from PyPI has it")
        status = function(*args)
        if status:
            raise Refused(Status.RUNTIME, f"{name} answers {status}")

    def _new(self, name: str, *args: Any) -> Any:
        """What a function of the library gives out through its last argument."""
        handle = _Handle()
        self._call(name, *args, ctypes.byref(handle))
        if not handle:
            raise Refused(Status.RUNTIME, f"{name} gives nothing")
        return handle

    def _number(self, name: str, of: Any, kind: Any) -> int:
        number = kind()
        self._call(name, of, ctypes.byref(number))
        return int(number.value)

    def _add(self, options: Any, identifier: str, text: str) -> None:
        payload = ctypes.create_string_buffer(text.encode())
        keep = _Destructor(lambda _: None)
        self._kept += [payload, keep]
        opaque = self._new("LiteRtCreateOpaqueOptions", identifier.encode(), payload, keep)
        self._call("LiteRtAddOpaqueOptions", options, opaque)

    def _buffers(self, kind: str, signature: Any) -> list[tuple[Any, int]]:
        count = self._number(f"LiteRtGetNumSignature{kind}s", signature, ctypes.c_size_t)
        found = []
        for index in map(ctypes.c_size_t, range(count)):
            tensor = self._new(f"LiteRtGetSignature{kind}TensorByIndex", signature, index)
            shaped = self._type(tensor)
            _with_batch(shaped)
            needs = self._new(f"LiteRtGetCompiledModel{kind}BufferRequirements", self._compiled, self._signature, index)
            create = "LiteRtCreateManagedTensorBufferFromRequirements"
            buffer = self._new(create, self._environment, shaped, needs)
            found.append((buffer, self._number("LiteRtGetTensorBufferPackedSize", buffer, ctypes.c_size_t)))
        return found

    def _type(self, tensor: Any) -> Any:
        """A `LiteRtRankedTensorType`: element type, rank in seven bits, sides, strides."""
        shaped = ctypes.create_string_buffer(4 * _TYPE_BYTES)
        self._call("LiteRtGetRankedTensorType", tensor, shaped)
        return shaped

    def _tensors(self, op: Any, kind: str) -> Iterator[Any]:
        for index in range(self._number(f"LiteRtGetNumOp{kind}s", op, ctypes.c_size_t)):
            tensor = _Handle()
            # An optional input that is left out has no tensor.
            if not getattr(self._lib, f"LiteRtGetOp{kind}")(op, ctypes.c_size_t(index), ctypes.byref(tensor)):
                yield tensor if tensor else None

    def _node(self, op: Any, index: int) -> dict[str, Any]:
        code = self._number("LiteRtGetOpCode", op, ctypes.c_int)
        inputs, outputs = list(self._tensors(op, "Input")), list(self._tensors(op, "Output"))
        name = ctypes.c_char_p()
        if outputs:
            self._call("LiteRtGetTensorName", outputs[0], ctypes.byref(name))
        types = [[self._shape(tensor) for tensor in part] for part in (inputs, outputs)]
        node = {
            "index": index,
            "code": code,
            "name": _text(name.value or b""),
            "inputs": [shape for shape, _ in types[0]],
            "outputs": [shape for shape, _ in types[1]],
            "bytes": sum(size for part in types for _, size in part),
        }
        if code in _OPTIONS:
            node["options"] = self._options(op, *_OPTIONS[code])
        if code == _BATCH_MATMUL:
            flag = ctypes.c_bool()
            self._call("LiteRtGetBatchMatmulAdjXOption", op, ctypes.byref(flag))
            node["transposed_x"] = flag.value
        return node

    def _options(self, op: Any, kind: str, names: dict[str, str]) -> dict[str, int]:
        """Each by a function of its own; an op that the file gives no options has ones."""
        found = {}
        for key, name in names.items():
            value = ctypes.c_int32(1)
            function = getattr(self._lib, f"LiteRtGet{kind}{name}Option", None)
            if function is None:
                raise _no(f"libLiteRt.so has no LiteRtGet{kind}{name}Option; {INSTALL} from PyPI has it")
            if not function(op, ctypes.byref(value)):
                found[key] = value.value
        return found or {"stride_h": 1, "stride_w": 1}

    def _shape(self, tensor: Any) -> tuple[list[int], int]:
        """Its sides, 1 where the file leaves one open, and its bytes; nothing for a tensor without a rank."""
        shaped = ctypes.create_string_buffer(4 * _TYPE_BYTES)
        if tensor is None or self._lib.LiteRtGetRankedTensorType(tensor, shaped):
            return [], 0
        element, rank = struct.unpack_from("<iI", shaped)
        sides = struct.unpack_from(f"<{_DIMENSIONS}i", shaped, 8)[: min(rank & 0x7F, _DIMENSIONS)]
        count = 1
        for side in sides:
            count *= max(side, 1)
        return [max(side, 1) for side in sides], (count * _BITS.get(element, 0) + 7) // 8

    def _events(self) -> Iterator[Event]:
        count = self._number("LiteRtGetNumProfilerEvents", self._profiler, ctypes.c_int)
        if not 0 < count < MOST_EVENTS:
            raise _no(f"LiteRT's profiler holds {count} events of one inference; it has room for {MOST_EVENTS - 1}")
        data = bytes([_FILL]) * (2 * EVENT_BYTES * count)
        room = ctypes.create_string_buffer(data, len(data))
        self._call("LiteRtGetProfilerEvents", self._profiler, ctypes.c_int(count), room)
        written = len(room.raw.rstrip(bytes([_FILL])))
        # The last four bytes of an event are padding.
        if not EVENT_BYTES * count - 8 < written <= EVENT_BYTES * count:
            raise _no(f"LiteRT's profiler writes {written} bytes for {count} events, not {EVENT_BYTES} each")
        for at in range(0, EVENT_BYTES * count, EVENT_BYTES):
            tag, kind, _start_us, spent_us, *_, node, graph, source = EVENT.unpack_from(room, at)
            if kind not in _TYPES or source > 2 or not tag:
                raise _no("LiteRT's profiler writes events of another layout")
            if kind not in (OPERATOR, DELEGATE_OPERATOR) or graph:
                continue
            yield Event(kind, node, _text(ctypes.string_at(tag)), spent_us * CLOCK_NS)


def _with_batch(shaped: Any) -> None:
    """One sample at a time, where the file leaves a side open."""
    rank = struct.unpack_from("<I", shaped, 4)[0] & 0x7F
    for index in range(min(rank, _DIMENSIONS)):
        if struct.unpack_from("<i", shaped, 8 + 4 * index)[0] < 0:
            struct.pack_into("<i", shaped, 8 + 4 * index, 1)


def _text(data: bytes) -> str:
    text = data[:MOST_TAG_BYTES].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def measure(path: Path, inputs: Sequence[bytes], threads: int, kernels: str, runs: int) -> Iterator[dict[str, Any]]:
    """Inferences with and without the profiler in turn. First `detail` (what the ops are, `packed`), then for each run
    `op_ns` and `invoke_ns`, of one with and one without; RUNTIME where two runs differ in their ops."""
    model = ProfiledModel(path, threads, kernels)
    model.load(inputs)
    model.run()
    first = model.profile()  # The profiler's own first time is slow.
    events = [[event.kind, event.node, event.tag] for event in first]
    facts = {"runtime": model.runtime, "threads": threads, "kernels": kernels, "clock_ns": CLOCK_NS}
    yield {"detail": packed({**facts, "events": events, "graph": model.graph(), "graph_name": model.graph_name()})}
    for _ in range(runs):
        found = model.profile()
        if [[event.kind, event.node, event.tag] for event in found] != events:
            raise Refused(Status.RUNTIME, "the runtime executed other ops in one inference than in the next")
        yield {"op_ns": [event.spent_ns for event in found], "invoke_ns": model.run()}


def packed(document: dict[str, Any]) -> bytes:
    """A document as deflated JSON, which fits into one answer; UNSUPPORTED where it does not."""
    data = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)
    if len(data) > MOST_DETAIL_BYTES:
        raise _no(f"the model has too many ops to tell of in one answer ({len(data)} bytes of {MOST_DETAIL_BYTES})")
    return data
