"""The table of framings: each carries any message, and what is no message counts as damaged."""

from __future__ import annotations

import pytest

from edgeq.protocol import smp
from edgeq.protocol.framing import COBS, CONSOLE, RAW, Framing

MESSAGE = smp.Message(smp.WRITE, 0, 0, 7, {"d": "hi", "x": bytes(range(256))})


@pytest.mark.parametrize("framing", [RAW, COBS, CONSOLE], ids=lambda framing: framing.name)
def test_messages_come_out_as_they_went_in(framing: Framing) -> None:
    decoder = framing.decoder()
    assert decoder.feed(framing.encode(MESSAGE.encode()) * 3) == [MESSAGE] * 3
    assert decoder.damaged == 0


@pytest.mark.parametrize("framing", [COBS, CONSOLE], ids=lambda framing: framing.name)
def test_a_whole_frame_without_a_message_counts_as_damaged(framing: Framing) -> None:
    decoder = framing.decoder()
    frames = framing.encode(b"no message") + framing.encode(bytes(9)) + framing.encode(MESSAGE.encode())
    assert decoder.feed(frames) == [MESSAGE]
    assert decoder.damaged == 2


def test_a_raw_stream_cannot_go_on_after_nonsense() -> None:
    with pytest.raises(smp.SmpError):
        RAW.decoder().feed(b"login: root")
