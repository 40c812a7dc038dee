"""Firmware as the host sees it, in Python: both framings, repeated requests, uploads, an inference, a rate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from edgeq.errors import LinkTimeout
from edgeq.link.memory import MemoryLink
from edgeq.protocol import cobs, console, contract, smp
from edgeq.protocol.framing import COBS, CONSOLE, FrameDecoder, Framing
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status

JOBS = (contract.STAGE, contract.ACTIVATE, contract.ROLLBACK, contract.BENCH, contract.SELFTEST)


class FakeMcu:
    """Feed it what the line delivers; the answer is what it sends. `done` is what it really carried out."""

    def __init__(
        self, *, framings: tuple[Framing, ...] = (COBS, CONSOLE), buf_size: int = 2048, count: int = 4
    ) -> None:
        self.buf_size, self.count = buf_size, count
        self.done: list[tuple[int, int, int]] = []
        self.blobs: dict[bytes, bytearray] = {}
        self.output, self.runs = b"", 0
        self.heard: list[str] = []
        self._input, self._run = bytearray(), None
        self._last: tuple[bytes, dict[str, Any]] = (b"", {})
        makers: dict[str, Callable[[int], FrameDecoder]] = {"cobs": cobs.Decoder, "console": console.Decoder}
        self._decoders = [(framing, makers[framing.name](buf_size)) for framing in framings]

    def feed(self, data: bytes) -> bytes:
        out = b""
        for framing, decoder in self._decoders:
            for frame in decoder.feed(data):
                self.heard.append(framing.name)
                try:
                    message = smp.decode(frame)
                except smp.SmpError:
                    continue  # one damaged frame in 65,536 has the right CRC
                out += framing.encode(message.answer(self._answer(message, frame)).encode())
        return out

    def _answer(self, message: Message, frame: bytes) -> dict[str, Any]:
        command = (message.op, message.group, message.command)
        if command in JOBS and self._last[0] == frame:
            return self._last[1]
        body = self._carry_out(command, message.body)
        self._last = (frame, body)
        return body

    def _carry_out(self, command: tuple[int, int, int], body: dict[str, Any]) -> dict[str, Any]:
        if command == (smp.WRITE, smp.GROUP_OS, smp.OS_ECHO):
            return {"r": body["d"]}
        if command == (smp.READ, smp.GROUP_OS, smp.OS_PARAMS):
            return {"buf_size": self.buf_size, "buf_count": self.count}
        if command == (smp.WRITE, smp.GROUP_OS, smp.OS_RESET):
            return {}
        self.done.append(command)
        if command == contract.BLOB_PUT:
            return {"off": self._put(self.blobs.setdefault(body["sha"], bytearray()), body)}
        if command == contract.INVOKE:
            return self._invoke(body)
        if command in JOBS:
            return {"job": len(self.done)}
        if command == contract.DESCRIBE:
            return {"kind": "mcu", "arch": "armv7e-m", "emulated": True}
        return {"err": {"group": 64, "rc": int(Status.UNSUPPORTED)}, "rsn": "the fake cannot"}

    @staticmethod
    def _put(have: bytearray, body: dict[str, Any]) -> int:
        if body["off"] == len(have):
            have += body["data"]
        return len(have)

    def _invoke(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["run"] != self._run:
            self._input, self._run = bytearray(), body.get("run")
        before = len(self._input)
        wanted = self._put(self._input, body)
        if wanted < body["len"]:
            return {"off": wanted}
        if before < wanted:
            self.runs += 1
            self.output = hashlib.sha256(self._input).digest()
        return {"off": wanted, "out": len(self.output)}


class FakeLine(MemoryLink):
    """A serial line to a `FakeMcu` that listens at one rate and knows `line`; anything at another rate is garbage."""

    def __init__(self, mcu: FakeMcu, *, baud: int, device_baud: int, noise: Any = None, has_rates: bool = True) -> None:
        super().__init__(self._deliver, "serial:/dev/ttyTEST", lossy=True)
        self.mcu, self.baud, self.device_baud, self.boot_baud = mcu, baud, device_baud, device_baud
        self.rates: list[int] = []
        self._noise, self._has_rates = noise, has_rates
        if has_rates:
            carry_out = mcu._carry_out
            mcu._carry_out = lambda command, body: (  # type: ignore[method-assign]
                self._change(body["baud"]) if command == contract.LINE else carry_out(command, body)
            )

    def set_baud(self, baud: int) -> None:
        self.baud = baud

    def receive(self, timeout_s: float) -> bytes:
        try:
            return super().receive(timeout_s)
        except LinkTimeout:
            self.mcu.feed(b"")
            raise

    def _change(self, baud: int) -> dict[str, Any]:
        self._next_baud = baud
        self.rates.append(baud)
        return {}

    def _deliver(self, data: bytes) -> bytes:
        if self.baud != self.device_baud:
            self.mcu.feed(bytes(byte ^ 0x55 for byte in data))
            return b""
        noise = self._noise(self.baud) if self._noise else None
        answer = self.mcu.feed(noise(data) if noise else data)
        answer = noise(answer) if noise else answer
        self.device_baud = self.__dict__.pop("_next_baud", self.device_baud)
        return answer
