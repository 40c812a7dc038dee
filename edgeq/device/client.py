"""Requests and answers over a link: sequence numbers, deadlines, errors by name, and uploads with a window."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from edgeq.errors import DeviceError, LinkError, LinkTimeout, ProtocolError
from edgeq.link.base import Link
from edgeq.protocol import smp
from edgeq.protocol.smp import Message, SmpError
from edgeq.protocol.status import Status
from edgeq.protocol.transfer import TransferStalled, Upload

REQUEST_TIMEOUT_S = 30.0
CHUNK_OVERHEAD = 128
"""Bytes of a chunk's message that are not data: header, keys, digest, offsets."""

_HINTS = {
    Status.NO_SPACE: "Free some space on the device, then run the command again.",
    Status.DIGEST: "Run the command again: what was damaged is sent anew.",
    Status.MISMATCH: "Build for this device: 'edgeq targets' lists the profiles.",
    Status.SELFTEST: "The device computes something else than the host; the previous release still serves.",
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
        self._decoder = smp.StreamDecoder()
        self._arrived: list[Message] = []
        self._sequence = 0
        self._buffers: tuple[int, int] | None = None

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

    def request(
        self, command: tuple[int, int, int], body: dict[str, Any], timeout_s: float = REQUEST_TIMEOUT_S
    ) -> dict[str, Any]:
        """One request, its answer. `DeviceError` if the device says no, `LinkTimeout` if it says nothing in time."""
        sequence = self._send(command, body, timeout_s)
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self._receive(deadline, timeout_s)
            if answer.sequence == sequence and (answer.op - 1, answer.group, answer.command) == command:
                return self._body(answer)

    def upload(
        self,
        data: Any,
        offset: int,
        command: tuple[int, int, int],
        extra: dict[str, Any],
        progress: Callable[[int], None],
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> dict[str, Any]:
        """Send bytes-like `data` from `offset` on, many chunks under way; the device's last answer is the result.

        `progress` gets the number of bytes acknowledged; `timeout_s` is the longest wait for any answer.
        """
        size, count = self.buffers
        view = memoryview(data)
        upload = Upload(len(view), offset=offset, chunk=size - CHUNK_OVERHEAD, window=max(1, count - 1))
        body: dict[str, Any] = {}
        try:
            while not upload.done:
                due = upload.due()
                if due:
                    at, length = due
                    chunk = {**extra, "off": at, "len": len(view), "data": view[at : at + length]}
                    upload.sent(self._send(command, chunk, timeout_s), at, length)
                    continue
                body = self._upload_step(upload, command, timeout_s) or body
                progress(upload.acked)
        except (TransferStalled, ValueError) as error:
            raise LinkError(
                f"{self.link.name} The transfer stalled: {error}.", "Run the command again: it resumes."
            ) from error
        return body

    def _upload_step(self, upload: Upload, command: tuple[int, int, int], timeout_s: float) -> dict[str, Any] | None:
        try:
            answer = self._receive(time.monotonic() + timeout_s, timeout_s)
        except LinkTimeout:
            if not self.link.lossy:
                raise
            upload.expired()
            return None
        if (answer.op - 1, answer.group, answer.command) != command:
            return None
        body = self._body(answer)
        upload.answered(answer.sequence, int(body["off"]))
        return body

    def _send(self, command: tuple[int, int, int], body: dict[str, Any], timeout_s: float) -> int:
        sequence, self._sequence = self._sequence, (self._sequence + 1) % 256
        data = Message(*command, sequence, body).encode()
        self.link.send(data, timeout_s)
        self.sent_bytes += len(data)
        return sequence

    def _receive(self, deadline: float, timeout_s: float) -> Message:
        while not self._arrived:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LinkTimeout(
                    f"{self.link.name} gave no answer within {timeout_s:g} s.",
                    "Check the device and run the command again.",
                )
            try:
                self._arrived = self._decoder.feed(self.link.receive(left))
            except SmpError as error:
                raise ProtocolError(
                    f"{self.link.name} sent something that is not SMP: {error}.",
                    "Does anything print on its standard output?",
                ) from error
        return self._arrived.pop(0)

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
    text = reason if isinstance(reason, str) and reason else status.name.lower().replace("_", " ")
    return DeviceError(
        f"{name} says no: {text}.", _HINTS.get(status, "'edgeq releases' shows what serves now."), status
    )
