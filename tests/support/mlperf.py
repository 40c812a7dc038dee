"""What MLPerf Tiny's public runner says on a serial line and reads of it, as a small client of our own.

The runner is https://github.com/mlcommons/tiny, benchmark/runner. From `serial_device.py`: a command ends in `%`; an
answer is lines until one that contains `m-ready`; CR and NUL are dropped; five seconds without a line are an error.
From `device_under_test.py`: the patterns of name and profile; pieces of 31 bytes, or 26 with a power meter. From
`script.py`: the patterns of times and results; the first time is the start and the last one the end.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcu import FAMILY, write_mcu_bundle

from edgeq.bundle import Bundle, canonical_json
from edgeq.interface import Interface, Tensor
from edgeq.micro.compile import compile_model
from edgeq.quantize.golden import make_golden
from edgeq.runtime import Model

READY, END = "m-ready", "%"
LINE_TIMEOUT_S = 5.0
SETTLE_S = 2.0
"""What the runner waits before its first command."""
NAME = re.compile(r"^m-(name)-dut-\[([^]]+)]$")
PROFILE = re.compile(r"^m-(model|profile)-\[([^]]+)]$")
RESULTS = re.compile(r"^m-results-\[([^]]+)\]$")
LAP = re.compile(r"^m-lap-us-([0-9]+)$")

Talk = Callable[[str], list[str]]
"""Send a command, without its end, and give the lines of the answer."""


@dataclass(frozen=True)
class Inferred:
    """Of one `infer`, as the runner gathers it. Without results or times where the answer had none."""

    results: tuple[float, ...]
    start_us: int | None
    end_us: int | None
    lines: tuple[str, ...]

    @property
    def elapsed_us(self) -> int:
        assert self.start_us is not None and self.end_us is not None
        return self.end_us - self.start_us


def gather(lines: Sequence[str]) -> Inferred:
    """Of the lines of an answer."""
    results, laps = (), list[int]()
    for line in lines:
        if match := RESULTS.match(line):
            results = tuple(float(text) for text in match[1].split(",") if text.strip())
        elif match := LAP.match(line):
            laps.append(int(match[1]))
    start = laps[0] if laps else None
    return Inferred(results, start, laps[-1] if len(laps) > 1 else None, tuple(lines))


class Dut:
    """The device under test behind `talk`."""

    def __init__(self, talk: Talk, piece_bytes: int = 31) -> None:
        self.talk, self._piece_bytes = talk, piece_bytes

    def name(self) -> str:
        return _found(NAME, self.talk("name"))["name"]

    def profile(self) -> dict[str, str]:
        """`profile` and `model`."""
        return _found(PROFILE, self.talk("profile"))

    def load(self, data: bytes) -> list[str]:
        """The answer to the last piece."""
        answer = self.talk(f"db load {len(data)}")
        for at in range(0, len(data), self._piece_bytes):
            answer = self.talk(f"db {data[at : at + self._piece_bytes].hex()}")
        return answer

    def infer(self, count: int, warmup: int) -> Inferred:
        return gather(self.talk(f"infer {count} {warmup}"))

    def accuracy(self, samples: Sequence[bytes], labels: Sequence[int]) -> tuple[float, list[tuple[float, ...]]]:
        """`-m a`: each sample once; the share of right answers, and all of them."""
        rows = []
        for sample in samples:
            self.load(sample)
            rows.append(self.infer(1, 0).results)
        right = sum(row.index(max(row)) == label for row, label in zip(rows, labels, strict=True))
        return right / len(labels), rows

    def performance(self, sample: bytes, count: int, warmup: int, windows: int = 5) -> list[Inferred]:
        """`-m p`: a window of `count` inferences, again and again."""
        told = []
        for _ in range(windows):
            self.load(sample)
            told.append(self.infer(count, warmup))
        return told


def _found(pattern: re.Pattern[str], lines: Sequence[str]) -> dict[str, str]:
    return {match[1]: match[2] for line in lines if (match := pattern.match(line))}


class Line:
    """The serial line of the runner, over TCP."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=LINE_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._have = b""
        self.heard = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def talk(self, command: str) -> list[str]:
        self.send((command + END).encode())
        lines = []
        while not lines or READY not in lines[-1]:
            if line := self._line():
                lines.append(line)
        return lines

    def close(self) -> None:
        self._socket.close()

    def _line(self) -> str:
        while b"\n" not in self._have:
            part = self._socket.recv(4096)
            if not part:
                raise ConnectionError("the line was closed")
            self._have += part
            self.heard += part
        line, _, self._have = self._have.partition(b"\n")
        return line.decode().replace("\r", "").replace("\0", "")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def settle() -> None:
    time.sleep(SETTLE_S)


def dut_bundle(folder: Path, name: str, model: bytes, inputs: Sequence[bytes], facts: dict[str, Any]) -> Bundle:
    """A bundle of any int8 model for firmware that describes itself with `facts`; `inputs` make its golden vectors."""
    runtime = Model(model)
    tensors = [tuple(Tensor(*info) for info in infos) for infos in (runtime.inputs, runtime.outputs)]
    text = canonical_json(Interface(*tensors).to_json())
    golden = make_golden(model, [[data] for data in inputs], FAMILY)
    vectors = [(list(a), list(b)) for a, b in zip(golden.inputs, golden.outputs, strict=True)]
    image = compile_model(model).image(text, vectors, target=facts["target"], name=name)
    members = {"model.tflite": model, "interface.json": text, "golden.cbor": golden.encode(), "image.eqi": image}
    return write_mcu_bundle(folder, members, name=name, target=facts["target"], arch=facts["arch"], model={"macs": 0})
