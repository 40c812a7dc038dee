"""The image: envelope and body as `firmware_stubs/DESIGN.md` section 2 and `eq_image.h` lay them out."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.errors import ArtifactError
from edgeq.micro.fields import NONE, RANK, Buffer, View
from edgeq.micro.frontend.program import Program, place_memories
from edgeq.micro.graph import Tensor
from edgeq.micro.lower.context import DTYPES
from edgeq.micro.pack import PACKING
from edgeq.micro.plan import Arena, Plan
from edgeq.micro.policy import PLAIN
from edgeq.preprocess import Raw
from edgeq.preprocess.wire import encode_raw

MAGIC = b"EQI1"
PLAN_ABI = 1
PLAN_ABI_FRONTEND = 2
"""That of an image with a front end, which older firmware refuses rather than take raw input for the model's."""
ENVELOPE = struct.Struct("<4sI32sIHHI32s12s160s")
BODY = struct.Struct("<HH7IHHIHHII32s32sII4s")
RAW = struct.Struct("<7I")
TENSOR = struct.Struct("<IIHH6Ifi")
ALIGN = 16
CONST = 1 << 31

Vector = tuple[Sequence[bytes], Sequence[bytes]]
"""One golden vector: raw inputs and the raw outputs they must give."""

RawVector = tuple[Raw, Sequence[bytes]]
"""One from what a sensor gives."""


@dataclass(frozen=True)
class Image:
    """What `read_image` finds in the envelope. `data` is the whole image."""

    data: bytes
    target: str
    arena_bytes: int
    security_version: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """All that an image holds beside its plan. `goldens` are one sequence from a reset state, which goes on with
    `raws`: raw inputs of the front end, and the outputs that they must give. `confirm` is `policy_bytes`."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    interface: bytes
    goldens: Sequence[Vector] = ()
    tolerance: int = 0
    target: str = ""
    name: str = ""
    security_version: int = 0
    frontend: Program | None = None
    raws: Sequence[RawVector] = ()
    confirm: bytes = PLAIN


class _Body:
    """Bytes that grow, with pieces at their alignment."""

    def __init__(self) -> None:
        self.data = bytearray(BODY.size)

    def add(self, piece: bytes, align: int = 4) -> int:
        self.data += bytes(-len(self.data) % align)
        offset = len(self.data)
        self.data += piece
        return offset


def write_image(plan: Plan, arena: Arena, contents: Contents) -> bytes:
    """The bytes of an image; the same arguments give the same bytes."""
    body = _Body()
    constants: dict[Buffer, int] = {}

    def place(view: View) -> int:
        buffer = view.buffer
        if buffer.data is None:
            return arena.offsets[buffer] + view.offset
        if buffer not in constants:
            constants[buffer] = body.add(buffer.data, buffer.align)
        return CONST | (constants[buffer] + view.offset)

    # Constants come before the records that name them, in the order of execution.
    for op in plan.ops:
        for view in (*op.constants, *op.reads):
            if view.buffer.data is not None:
                place(view)
    records = b"".join(op.encode(place) for op in plan.ops)
    tensors = b"".join(
        _tensor(tensor, place(view))
        for tensor, view in zip((*contents.inputs, *contents.outputs), (*plan.inputs, *plan.outputs), strict=True)
    )
    offsets = {"plan": body.add(records), "tensors": body.add(tensors)}
    state = b"".join(buffer.first + bytes(-buffer.size_bytes % 4) for buffer in plan.states)
    offsets["state_init"] = body.add(state) if any(state) else NONE
    offsets["golden"] = body.add(b"".join(b"".join(part) for vector in contents.goldens for part in vector))
    offsets["interface"] = body.add(contents.interface)
    frontend = _frontend(body, contents, plan, arena)
    offsets["frontend"] = body.add(frontend)
    abi = PLAN_ABI_FRONTEND if frontend else PLAN_ABI
    body.data += bytes(-len(body.data) % ALIGN)
    BODY.pack_into(
        body.data, 0, abi, PACKING, len(body.data), arena.bytes, arena.state_bytes, offsets["plan"], len(records),
        offsets["state_init"], offsets["tensors"], len(contents.inputs), len(contents.outputs), offsets["golden"],
        len(contents.goldens), contents.tolerance, offsets["interface"], len(contents.interface),
        hashlib.sha256(contents.interface).digest(), contents.name.encode()[:31],
        offsets["frontend"] if frontend else 0, len(frontend), bytes(4),
    )  # fmt: skip
    return _envelope(bytes(body.data), abi, arena.bytes, contents) + bytes(body.data)


def frontend_places(program: Program, plan: Plan, arena: Arena) -> tuple[dict[str, int], int]:
    """Where the front end's memories lie in the arena, which is idle meanwhile but for state and the model's input; and
    the end of the highest."""
    taken = [(arena.offsets[view.buffer] + view.offset, view.buffer.size_bytes) for view in plan.inputs]
    return place_memories(program.memories, [(0, arena.state_bytes), *taken])


def _frontend(body: _Body, contents: Contents, plan: Plan, arena: Arena) -> bytes:
    """The front end's section; its tables and golden vectors are added to the body."""
    if contents.frontend is None:
        return b""
    places, _ = frontend_places(contents.frontend, plan, arena)
    raws = body.add(b"".join(_raw_golden(raw, outputs) for raw, outputs in contents.raws))
    return contents.frontend.encode(body.add, places, raws, len(contents.raws))


def _raw_golden(raw: Raw, outputs: Sequence[bytes]) -> bytes:
    item = encode_raw(raw)
    dims = (*item["shape"], *(0,) * (3 - len(item["shape"])))
    head = RAW.pack(DTYPES[item["type"]], len(item["shape"]), *dims, item["rate"], len(item["data"]))
    return b"".join(part + bytes(-len(part) % 4) for part in (head, item["data"], b"".join(outputs)))


def _envelope(body: bytes, abi: int, arena_bytes: int, contents: Contents) -> bytes:
    return ENVELOPE.pack(
        MAGIC, ENVELOPE.size + len(body), hashlib.sha256(body).digest(), contents.security_version, abi, PACKING,
        arena_bytes, contents.target.encode(), contents.confirm, bytes(160),
    )  # fmt: skip


def _tensor(tensor: Tensor, place: int) -> bytes:
    dims = (*tensor.shape, *(0,) * (RANK - len(tensor.shape)))
    return TENSOR.pack(
        place, tensor.size_bytes, DTYPES[tensor.dtype], len(tensor.shape), *dims, tensor.scale, tensor.zero_point
    )


def read_image(data: bytes) -> Image:
    """The envelope of an image, its digest checked. `ArtifactError` for what is no whole image of this plan ABI."""
    if len(data) < ENVELOPE.size + BODY.size or data[:4] != MAGIC:
        raise ArtifactError("The file is not an edgeq image.", "Build it again.")
    _, size, digest, security_version, abi, packing, arena_bytes, target, _, _ = ENVELOPE.unpack_from(data)
    if abi not in (PLAN_ABI, PLAN_ABI_FRONTEND) or packing != PACKING:
        raise ArtifactError(
            f"The image has plan ABI {abi} and packing {packing}; this edgeq knows {PLAN_ABI}, {PLAN_ABI_FRONTEND} and "
            f"{PACKING}.",
            "Build it again with this edgeq.",
        )
    if size != len(data) or hashlib.sha256(data[ENVELOPE.size :]).digest() != digest:
        raise ArtifactError("The image is damaged: its digest does not match.", "Build it again, or copy it again.")
    name = target.rstrip(b"\0").decode("utf-8", "replace")
    return Image(data, name, arena_bytes, security_version, digest.hex())
