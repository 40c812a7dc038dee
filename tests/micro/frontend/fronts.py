"""Front ends for tests: an image that copies its input, with the front end before it; and both ways to run it."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.micro.fields import Buffer, View
from edgeq.micro.frontend.lower import lower
from edgeq.micro.frontend.program import Program
from edgeq.micro.graph import Tensor
from edgeq.micro.image import Contents, RawVector, frontend_places, read_image, write_image
from edgeq.micro.plan import Arena, Plan, lay_out
from edgeq.micro.records import Copy
from edgeq.preprocess import Preprocess, Raw, parse
from edgeq.preprocess.wire import encode_raw

FIRMWARE = Path(__file__).resolve().parents[3] / "firmware_stubs"
DTYPES = {"int16": 2, "uint8": 5, "float32": 4}
RATE_HZ = 16_000
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def audio(*steps: Mapping[str, Any], rate_hz: int = RATE_HZ) -> Preprocess:
    """A chain for audio."""
    return parse({"input": "audio", "rate_hz": rate_hz, "steps": list(steps)})


def tensor(shape: Sequence[int], dtype: str = "int8", scale: float = 0.5, zero_point: int = 0) -> Tensor:
    """The input of a model."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return Tensor("t", tuple(shape), dtype, (scale,), (zero_point,), 0, size, False, index=0, data=None)


@dataclass(frozen=True)
class Front:
    """A front end in an image whose model copies its input."""

    program: Program
    image: bytes


def front(
    preprocess: Preprocess, given: Tensor, raws: Sequence[RawVector] = (), interface: bytes = b"{}", target: str = ""
) -> Front:
    """The front end of `preprocess` before a model with this input."""
    program = lower(preprocess, given)
    assert program is not None
    size = int(np.prod(given.shape)) * np.dtype(given.dtype).itemsize
    source, out = View(Buffer("in", size, align=2)), View(Buffer("out", size, align=2))
    plan = Plan((Copy(out, source, 1, (size,), (1,), (1,)),), (source,), (out,), ())
    arena = lay_out(plan)
    _, end = frontend_places(program, plan, arena)
    grown = Arena(arena.offsets, max(arena.bytes, end), arena.bound, arena.state_bytes)
    image = write_image(plan, grown, Contents([given], [given], interface, target=target, frontend=program, raws=raws))
    return Front(program, image)


def noise(samples: int, seed: int = 0, most: int = 32767) -> Raw:
    """Audio of any loudness, with silence, clipped places and tones."""
    draw = np.random.default_rng(seed)
    x = draw.normal(0, most / 4, samples) * np.abs(np.sin(np.arange(samples) / 997)) ** 3
    x += most / 3 * np.sin(np.arange(samples) * draw.uniform(0.01, 3))
    return Raw(np.clip(np.round(x), -32768, 32767).astype(np.int16), RATE_HZ)


class Drive:
    """`drive.c` under sanitizers, or with other `flags`, as a process; `frontend` is what is linked as that."""

    def __init__(self, folder: Path, frontend: str = "runtime/frontend", flags: Sequence[str] = SANITIZE) -> None:
        program = folder / "drive"
        sources = [path for name in ("runtime", "runtime/kernels", frontend) for path in (FIRMWARE / name).glob("*.c")]
        include = [f"-I{FIRMWARE / name}" for name in ("include", "runtime")]
        command: list[str | Path] = [
            "gcc",
            "-std=c99",
            *flags,
            *include,
            *sources,
            Path(__file__).parent / "drive.c",
            "-o",
            program,
        ]
        subprocess.run(command, check=True, timeout=300)
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(
        self, image: bytes, raw: Raw, piece: int = 1 << 20, arena_bytes: int | None = None
    ) -> tuple[int, bytes]:
        """Status, and the bytes of the model's input, or why it was refused."""
        item = encode_raw(raw)
        dims = (*item["shape"], 0, 0, 0)[:3]
        size = read_image(image).arena_bytes if arena_bytes is None else arena_bytes
        fields = (
            len(image),
            size,
            DTYPES[item["type"]],
            len(item["shape"]),
            *dims,
            item["rate"],
            len(item["data"]),
            piece,
        )
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(struct.pack("<10I", *fields) + image + item["data"])
        self._process.stdin.flush()
        head = self._process.stdout.read(8)
        assert len(head) == 8, "the process ended; what a sanitizer said is above"
        status, length = struct.unpack("<iI", head)
        return status, self._process.stdout.read(length)

    def close(self) -> None:
        """End it; it fails where it had ended by itself, or leaked."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(30) == 0
