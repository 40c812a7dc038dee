"""Requests and answers over a link: sequence numbers, deadlines, errors by name, and uploads with a window."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

from edgeq.device.line import settle, slower, usual_rates
from edgeq.errors import DeviceError, LinkError, LinkTimeout, ProtocolError
from edgeq.link.base import Link
from edgeq.link.frames import USUAL_BAUD, Frames, Line, wire_s
from edgeq.protocol import contract, smp
from edgeq.protocol.roundtrip import RoundTrip
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status
from edgeq.protocol.transfer import TransferStalled, Upload

REQUEST_TIMEOUT_S = 30.0
CHUNK_OVERHEAD = 128
"""Bytes of a chunk's message that are not data: header, keys, digest, offsets."""
TRIES, LOSSY_TRIES = 8, 32
"""Answers in a row that show no progress; a line that loses every other frame comes through."""
SLOW_LINE_CHUNK = 256
"""Where chunks shrink below it, the line is asked for a slower rate."""
RATE_S = 2.0
LINE_IDLE_S = 2.0
"""A device goes back to the rate it started with after three seconds without a message."""

RESET = (smp.WRITE, smp.GROUP_OS, smp.OS_RESET)

Command = tuple[int, int, int]

_HINTS = {
    Status.NO_SPACE: "Free some space on the device, then run the command again.",
    Status.DIGEST: "Run the command again: what was damaged is sent anew.",
    Status.SIGNATURE: "'edgeq sign BUNDLE --key KEY' signs it with a key that the device knows.",
    Status.MISMATCH: "Build for this device: 'edgeq targets' lists the profiles.",
    Status.SELFTEST: "It computes something else than the host: build again, for its runtime (docs/runtimes.md).",
    Status.GATE: "It asks for that itself: [confirm] in edgeq.toml, docs/deploy.md.",
    Status.BUSY: "Another command is at work on this device; wait for it and try again.",
    Status.IO: "Check the device's storage.",
    Status.RUNTIME: "Try 'edgeq run local:' with the same bundle to see whether the model or the device is at fault.",
    Status.TIMEOUT: "The model takes too long for this device, or hangs.",
    Status.STATE: "'edgeq releases' shows what is installed.",
    Status.NEWER: "Deploy with an edgeq of the version that wrote it.",
    Status.UNSUPPORTED: "The device's agent or firmware is older than this edgeq.",
}


class Client:
    """One conversation with a device. Not thread-safe."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.sent_bytes = 0
        self._frames: Frames | None = None
        self._trip = RoundTrip()
        self._sequence = secrets.randbelow(256)
        self._buffers: tuple[int, int] | None = None
        self._deaf_s: float | None = None
        self._baud = link.baud if isinstance(link, Line) else 0
        self._fixed = False
        self._heard = 0.0

    @property
    def buffers(self) -> tuple[int, int]:
        """`(size, count)` of the device's message buffers, as its group 0 says."""
        if self._buffers is None:
            answer = self.request((smp.READ, smp.GROUP_OS, smp.OS_PARAMS), {})
            size, count = answer.get("buf_size"), answer.get("buf_count")
            if (
                not isinstance(size, int)
                or not isinstance(count, int)
                or not 256 <= size <= 65543
                or not 1 <= count <= 255
            ):
                raise ProtocolError(
                    f"{self.link.name} says it has {count} buffers of {size} bytes.", "Is it an edgeq device?"
                )
            self._buffers = (size, count)
        return self._buffers

    @property
    def deaf_s(self) -> float:
        """For how long one chunk of a blob may keep the device from hearing anything; 0 where nothing does."""
        if self._deaf_s is None:
            deaf_ms = self.request(contract.DESCRIBE, {}).get("deaf_ms", 0) if self.link.lossy else 0
            self._deaf_s = deaf_ms / 1000 if isinstance(deaf_ms, int) else 0.0
        return self._deaf_s

    def request(self, command: Command, body: dict[str, Any], timeout_s: float = REQUEST_TIMEOUT_S) -> dict[str, Any]:
        """One request, its answer. `DeviceError` if the device says no, `LinkTimeout` if it says nothing in time.

        On a lossy link it is repeated, byte for byte, until then; the device does not carry out a repetition.
        """
        self._wake()
        message = self._next(command, body)
        data = message.encode()
        for number, wait_s in enumerate(self._waits(timeout_s, len(data))):
            asked = time.monotonic()
            self._send(data, timeout_s)
            answer = self._answer(command, lambda sequence: sequence == message.sequence, wait_s)
            if answer:
                if number == 0:
                    self._trip.answered(time.monotonic() - asked)
                found = self._body(answer)
                if command == RESET:
                    self._frames = None  # A board that starts anew is looked for as at first.
                return found
        raise self._open().silence(timeout_s)

    def upload(
        self,
        data: Any,
        offset: int,
        command: Command,
        extra: dict[str, Any],
        progress: Callable[[int], None],
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> dict[str, Any]:
        """Send bytes-like `data` from `offset` on, many chunks under way; the device's last answer is the result.

        `progress` gets the number of bytes acknowledged; `timeout_s` is the longest wait for any answer.
        """
        size, count = self.buffers
        self._wake()
        view = memoryview(data)
        if 0 < len(view) <= offset:
            # All bytes are there, and a crash came before they were found right: none is sent, but that is said.
            body = self.request(command, {**extra, "off": len(view), "len": len(view), "data": b""}, timeout_s)
            offset = int(body.get("off") or 0)
            if offset == len(view):
                return body
        tries = LOSSY_TRIES if self.link.lossy else TRIES
        deaf = command == contract.BLOB_PUT and self.deaf_s > 0
        upload = Upload(
            len(view), offset=offset, chunk=size - CHUNK_OVERHEAD, window=max(1, count - 1), tries=tries, deaf=deaf
        )
        body = {}
        waits = self._waits(timeout_s, 2 * size)
        try:
            while not upload.done:
                if self._chunk_sent(upload, command, extra, view, timeout_s):
                    continue
                if answered := self._chunk_answered(upload, command, waits, timeout_s):
                    body, waits = answered, self._waits(timeout_s, 2 * size)
                    progress(upload.acked)
        except (TransferStalled, ValueError) as error:
            raise LinkError(
                f"The transfer to {self.link.name} stalled: {error}.", "Run the command again: it resumes."
            ) from error
        return body

    def _chunk_sent(
        self, upload: Upload, command: Command, extra: dict[str, Any], view: memoryview, timeout_s: float
    ) -> bool:
        """Whether a chunk was due."""
        due = upload.due()
        if due:
            at, length = due
            chunk = self._next(command, {**extra, "off": at, "len": len(view), "data": view[at : at + length]})
            self._send(chunk.encode(), timeout_s)
            upload.sent(chunk.sequence, at, length)
        return due is not None

    def _chunk_answered(
        self, upload: Upload, command: Command, waits: Iterator[float], timeout_s: float
    ) -> dict[str, Any] | None:
        """The answer to a chunk; None when none came in time, and the upload then goes back."""
        wait_s = next(waits, None)
        if wait_s is None:
            raise self._open().silence(timeout_s)
        began, alone = time.monotonic(), upload.alone
        answer = self._answer(command, upload.awaits, wait_s + (self.deaf_s if alone else 0.0))
        if not answer:
            upload.expired()
        else:
            if not alone:
                self._trip.answered(time.monotonic() - began)
            body = self._body(answer)
            if not isinstance(body.get("off"), int):
                raise ProtocolError(f"{self.link.name} answers a chunk without an offset.", "Is it an edgeq device?")
            room = body.get("room")
            upload.answered(answer.sequence, body["off"], room if isinstance(room, int) else None)
        if upload.chunk < min(SLOW_LINE_CHUNK, upload.longest) and self._slow_down():
            upload.restart()
        return body if answer else None

    def _answer(self, command: Command, awaits: Callable[[int], bool], wait_s: float) -> Message | None:
        """The answer to a command with a sequence number that is awaited; None when a lossy link gives none in time.

        Others are late, or repeated.
        """
        deadline = time.monotonic() + wait_s
        while True:
            try:
                answer = self._open().receive(deadline - time.monotonic())
            except LinkTimeout:
                if not self.link.lossy:
                    raise
                return None
            self._heard = time.monotonic()
            if awaits(answer.sequence) and (answer.op - 1, answer.group, answer.command) == command:
                return answer

    def _waits(self, timeout_s: float, count: int) -> Iterator[float]:
        """How long to wait for an answer to `count` bytes, try after try."""
        return self._trip.waits(timeout_s, wire_s(self.link, count)) if self.link.lossy else iter((timeout_s,))

    def _next(self, command: Command, body: dict[str, Any]) -> Message:
        self._sequence = (self._sequence + 1) % 256
        return Message(*command, self._sequence, body)

    def _send(self, data: bytes, timeout_s: float) -> None:
        self.sent_bytes += self._open().send(data, timeout_s)

    def _open(self) -> Frames:
        if self._frames is None:
            self._settle(*usual_rates(self.link))
        assert self._frames
        return self._frames

    def _settle(self, *rates: int) -> None:
        self._frames, self._heard = settle(self.link, rates), time.monotonic()

    def _wake(self) -> None:
        """Find the device at first, and again where it may have gone back to its own rate; then bring it to ours."""
        if not isinstance(self.link, Line):
            return
        idle = time.monotonic() - self._heard > LINE_IDLE_S
        if self._frames is None or (idle and self.link.baud != USUAL_BAUD):
            self._settle(*usual_rates(self.link))
            if self.link.baud != self._baud:
                self._change_rate(self._baud)

    def _change_rate(self, baud: int) -> bool:
        """Ask the device to go on at another rate. Where it cannot, or is not heard there, all stays as it was."""
        assert isinstance(self.link, Line)
        before = self._baud = self.link.baud
        try:
            self.request(contract.LINE, {"baud": baud}, RATE_S)
        except DeviceError:
            return False
        except LinkTimeout:
            pass  # The answer may be what got lost: the device is at one of the two.
        self._settle(baud, before, USUAL_BAUD)
        self._baud = self.link.baud
        return self._baud != before

    def _slow_down(self) -> bool:
        """Whether the line goes on at a slower rate: for when small chunks get lost too."""
        baud = slower(self.link.baud) if isinstance(self.link, Line) and not self._fixed else None
        self._fixed = baud is None or not self._change_rate(baud)
        return not self._fixed

    def _body(self, answer: Message) -> dict[str, Any]:
        body = answer.body
        if "err" not in body and not body.get("rc"):
            return body
        error = body.get("err")
        group, code = (error.get("group"), error.get("rc")) if isinstance(error, dict) else (None, body.get("rc"))
        if group != smp.GROUP_EDGEQ:
            raise DeviceError(
                f"{self.link.name} refuses the request (SMP code {code}).",
                _HINTS[Status.UNSUPPORTED],
                Status.UNSUPPORTED,
            )
        raise device_error(self.link.name, code, body.get("rsn"))


def device_error(name: str, code: Any, reason: Any) -> DeviceError:
    """What the device's number and reason mean to a person."""
    status = Status(code) if isinstance(code, int) and code in Status.__members__.values() else Status.UNKNOWN
    text = reason.rstrip(".") if isinstance(reason, str) and reason else status.name.lower().replace("_", " ")
    return DeviceError(
        f"{name} says no: {text}.", _HINTS.get(status, "'edgeq releases' shows what serves now."), status
    )
