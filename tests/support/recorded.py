"""A device that gives the answers that real ones gave, in turn: for what a device does only after minutes, or once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeq.device.device import Device
from edgeq.link.memory import MemoryLink
from edgeq.protocol import contract, smp
from edgeq.protocol.status import Status

Command = tuple[int, int, int]
Answer = Mapping[str, Any] | Exception


class Recorded:
    """For each command its answers; the last one is given again and again. An exception is what happens to the link.
    A command without answers is one that the device does not know. `asked` is what it was asked."""

    def __init__(self, answers: Mapping[Command, Sequence[Answer]]) -> None:
        self._left = {command: list(items) for command, items in answers.items()}
        self.asked: list[tuple[Command, dict[str, Any]]] = []

    def feed(self, data: bytes) -> bytes:
        """The answer to one request."""
        request = smp.decode(data)
        command = (request.op, request.group, request.command)
        self.asked.append((command, dict(request.body)))
        items = self._left.get(command)
        if not items:
            return request.answer({"rc": smp.RC_UNSUPPORTED}).encode()
        answer = items.pop(0) if len(items) > 1 else items[0]
        if isinstance(answer, Exception):
            raise answer
        return request.answer(dict(answer)).encode()

    def open(self) -> MemoryLink:
        """A link to it."""
        return MemoryLink(self.feed)

    def device(self, reopen: Callable[[], MemoryLink] | None = None) -> Device:
        """It, behind a link."""
        return Device(self.open(), "memory:", reopen)


def no(status: Status, reason: str) -> dict[str, Any]:
    """How a device says no."""
    return {"err": {"group": smp.GROUP_EDGEQ, "rc": int(status)}, "rsn": reason}


def releases(*states: str, trial: int | None = None, why: str = "", **watch: Any) -> dict[str, Any]:
    """The answer to `releases` where release 1, 2, ... are in these states: the last confirmed one is current."""
    listed: list[dict[str, Any]] = [
        {"n": n, "sha": bytes([n]) * 32, "state": state, "name": f"m{n}", **({"why": why} if state == "bad" else {})}
        for n, state in enumerate(states, 1)
    ]
    confirmed = [item["n"] for item in listed if item["state"] == "confirmed"]
    current, previous = (confirmed[-1] if confirmed else None), (confirmed[-2] if len(confirmed) > 1 else None)
    answer = {"releases": listed, "current": current, "previous": previous, "trial": trial}
    return {**answer, **({"watch": watch} if watch else {})}


def job(**result: Any) -> dict[Command, Sequence[Answer]]:
    """The answers to `job` where the only job of a test is done."""
    return {contract.JOB: [{"state": "done", "note": "", "samples": [], "result": result}]}
