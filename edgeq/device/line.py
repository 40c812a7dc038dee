"""Bring-up of a serial line: find the framing and the rate in which the device answers an echo."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence

from edgeq.errors import LinkTimeout
from edgeq.link.base import Link
from edgeq.link.frames import USUAL_BAUD, Frames, Line
from edgeq.link.holder import who_has
from edgeq.protocol import smp
from edgeq.protocol.framing import COBS, CONSOLE, RAW, Framing

ROUNDS = 8
"""Of asking in every way; together longer than a board takes that starts anew when its port is opened."""
ECHO_S = 0.4
SEND_S = 5.0
RATES = (3_000_000, 2_000_000, 1_500_000, 1_000_000, 921_600, 460_800, 230_400, 115_200)


def settle(link: Link, rates: Sequence[int] = ()) -> Frames:
    """The link in the framing, and at the first of `rates`, in which the device answers; `LinkTimeout` if in none.

    A reliable link carries raw messages and is not asked.
    """
    if not link.lossy:
        return Frames(link, RAW)
    search = _Search(link)
    for baud in _each_round(link, rates):
        if isinstance(link, Line) and baud != link.baud:
            link.set_baud(baud)
        for framing in (COBS, CONSOLE):
            found = search.ask(framing)
            if found:
                return Frames(link, found)
    holder = who_has(link.name)
    if holder:
        raise LinkTimeout(
            f"{link.name} answers no echo: {holder} is at work there.",
            "Wait for it, or end it; then run the command again.",
        )
    raise LinkTimeout(
        f"{link.name} answers no echo, neither in COBS nor in console frames.",
        "Is it the right port and rate, does edgeq's firmware run there, and has no other program the port open?",
    )


def usual_rates(link: Link) -> tuple[int, ...]:
    """The rates at which the device may be listening: that of the address, and the one boards start with."""
    return tuple(dict.fromkeys((link.baud, USUAL_BAUD))) if isinstance(link, Line) else ()


def slower(baud: int) -> int | None:
    """The next rate below, or None."""
    return next((rate for rate in RATES if rate < baud), None)


def _each_round(link: Link, rates: Sequence[int]) -> Iterator[int]:
    for _ in range(ROUNDS):
        yield from rates or ((link.baud,) if isinstance(link, Line) else (0,))


class _Search:
    """Asks in one framing after the other and listens in both: an answer may be late."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._decoders = [COBS.decoder(), CONSOLE.decoder()]
        self._asked: dict[str, Framing] = {}

    def ask(self, framing: Framing) -> Framing | None:
        """The framing of the question that is answered now, be it an earlier one."""
        text = secrets.token_hex(4)
        self._asked[text] = framing
        request = smp.Message(smp.WRITE, smp.GROUP_OS, smp.OS_ECHO, secrets.randbelow(256), {"d": text})
        # A newline ends what else stands in the line, for devices that want frames at its beginning.
        start = b"\n" if framing is CONSOLE else b""
        self._link.send(start + framing.encode(request.encode()), SEND_S)
        deadline = time.monotonic() + ECHO_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                data = self._link.receive(left)
            except LinkTimeout:
                break
            for decoder in self._decoders:
                for message in decoder.feed(data):
                    found = self._asked.get(str(message.body.get("r")))
                    if found:
                        return found
        return None
