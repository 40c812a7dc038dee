"""A program on the device that asks its daemon as any host does: the same requests, over a socket pair."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from edgeq.agent import daemon
from edgeq.agent.errors import Refused
from edgeq.protocol import contract, smp
from edgeq.protocol.smp import Message
from edgeq.protocol.status import Status

REQUEST_TIMEOUT_S = 30.0
JOB_SILENCE_S = 180.0
"""A job whose note does not change for this long is given up."""
CHUNK_BYTES = 48 << 10
PUT_TRIES = 8


class Gone(Exception):
    """The daemon does not answer; one clause."""


class Here:
    """One conversation with the daemon of a store; a context manager. Not thread-safe."""

    def __init__(self, root: Path, start: bool = True) -> None:
        """`Gone` where no daemon answers; without `start` none is started."""
        self.root = root
        self.sent_bytes = 0
        self._sequence, self._decoder = 0, smp.StreamDecoder()
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._channel = _joined(root, theirs.fileno(), start)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation; the daemon stays."""
        self._socket.close()
        self._channel.close()

    def ask(
        self, command: tuple[int, int, int], body: dict[str, Any], timeout_s: float = REQUEST_TIMEOUT_S
    ) -> dict[str, Any]:
        """One request, one answer; `Refused` where the daemon says no, `Gone` where it says nothing."""
        self._sequence = (self._sequence + 1) % 256
        try:
            answer = self._exchange(Message(*command, self._sequence, body), timeout_s)
        except (OSError, smp.SmpError) as error:
            raise Gone(f"the agent of {self.root} does not answer: {error}") from error
        if "err" in answer or answer.get("rc"):
            status = _status(answer["err"]["rc"] if "err" in answer else Status.UNSUPPORTED)
            raise Refused(status, str(answer.get("rsn") or status.name.lower().replace("_", " ")).rstrip("."))
        return answer

    def _exchange(self, message: Message, timeout_s: float) -> dict[str, Any]:
        data = message.encode()
        self._socket.settimeout(timeout_s)
        self._socket.sendall(data)
        deadline = time.monotonic() + timeout_s
        while True:
            if not select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Gone(f"the agent of {self.root} gave no answer within {timeout_s:g} s")
            data = self._socket.recv(1 << 18)
            if not data:
                raise Gone(f"the agent of {self.root} ended")
            for answer in self._decoder.feed(data):
                if answer.sequence == message.sequence:
                    return dict(answer.body)

    def put(self, sha: str, size: int, offset: int, read: Callable[[int, int], bytes]) -> Iterator[int]:
        """Send one blob from `offset` on; the answers are the offsets that the daemon wants next, up to `size`.

        Where a crash left all of its bytes but no verdict, an empty chunk asks for that."""
        tries = 0
        while True:
            data = read(offset, CHUNK_BYTES) if offset < size else b""
            body = {"sha": bytes.fromhex(sha), "off": offset, "len": size, "data": data}
            self.sent_bytes += len(data)
            wanted = int(self.ask(contract.BLOB_PUT, body)["off"])
            tries = 0 if wanted > offset else tries + 1
            if tries > PUT_TRIES or not 0 <= wanted <= size:
                raise Gone(f"the agent of {self.root} wants offset {wanted} of {size} bytes")
            offset = wanted
            yield offset
            if offset == size:
                return

    def job(self, command: tuple[int, int, int], body: dict[str, Any], note: Callable[[str], None]) -> dict[str, Any]:
        """Start a job and wait for its end; `note` hears what it is doing."""
        number = self.ask(command, body)["job"]
        said, changed, pause = "", time.monotonic(), 0.01
        while True:
            state = self.ask(contract.JOB, {"job": number, "from": 0})
            if state["state"] == "done":
                return dict(state["result"])
            if state["state"] == "failed":
                raise Refused(_status(state.get("status")), str(state.get("reason") or "").rstrip("."))
            if state["note"] != said:
                said, changed = state["note"], time.monotonic()
                note(said)
            if time.monotonic() - changed > JOB_SILENCE_S:
                raise Gone(f"the agent has made no progress for {JOB_SILENCE_S:g} s ({said or 'starting'})")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)


def _status(code: Any) -> Status:
    return Status(code) if isinstance(code, int) and code in Status.__members__.values() else Status.UNKNOWN


def _joined(root: Path, fd: int, start: bool) -> socket.socket:
    try:
        if start:
            return daemon.join(root, (fd, fd))
        # The daemon's own function: it joins, and starts nothing.
        channel = daemon._offer(root, (fd, fd))
    except SystemExit as error:  # how the agent's own programs end
        raise Gone(str(error).replace("edgeq-agent: ", "")) from error
    if channel is None:
        raise Gone(f"no agent serves {root}")
    return channel
