"""firmware_stubs/PROTOCOL.md and the code say the same: worked frames, statuses, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeq.protocol import contract, framing, smp
from edgeq.protocol.status import Status

DOCUMENT = (Path(__file__).resolve().parents[2] / "firmware_stubs" / "PROTOCOL.md").read_text(encoding="utf-8")
SHA = bytes(range(32))
FRAMES = {
    "echo request": smp.Message(smp.WRITE, 0, 0, 0, {"d": "hi"}),
    "echo answer": smp.Message(smp.WRITE_ANSWER, 0, 0, 0, {"r": "hi"}),
    "params request": smp.Message(smp.READ, 0, 6, 1, {}),
    "params answer": smp.Message(smp.READ_ANSWER, 0, 6, 1, {"buf_size": 61440, "buf_count": 16}),
    "blob_have request": smp.Message(*contract.BLOB_HAVE, 2, {"sha": [SHA]}),
    "blob_have answer": smp.Message(1, 64, 1, 2, {"missing": [{"sha": SHA, "off": 0}]}),
    "blob_put request": smp.Message(*contract.BLOB_PUT, 3, {"sha": SHA, "off": 0, "len": 5, "data": b"abcde"}),
    "blob_put answer": smp.Message(3, 64, 2, 3, {"off": 5}),
    "release_stage request": smp.Message(*contract.STAGE, 4, {"sha": SHA, "wheels": []}),
    "release_stage answer": smp.Message(3, 64, 3, 4, {"job": 1}),
    "job request": smp.Message(*contract.JOB, 5, {"job": 1, "from": 0}),
    "job answer": smp.Message(
        1, 64, 13, 5, {"state": "done", "note": "", "samples": [], "result": {"n": 1, "state": "staged"}}
    ),
    "an error": smp.Message(3, 64, 6, 6, {"err": {"group": 64, "rc": 3}, "rsn": "there is no release 9"}),
}


def test_every_worked_frame_is_covered() -> None:
    section = DOCUMENT.partition("## 7.")[2]
    assert re.findall(r"^\| ([a-z_ ]+) \| `", section, re.MULTILINE) == list(FRAMES)


@pytest.mark.parametrize("name", FRAMES)
def test_worked_frames(name: str) -> None:
    written = re.search(rf"\| {name} \| `([0-9a-f ]+)` \|", DOCUMENT)
    assert written
    assert smp.decode(bytes.fromhex(written[1])) == FRAMES[name]
    assert FRAMES[name].encode() == bytes.fromhex(written[1])


SERIAL = {"console": framing.CONSOLE, "cobs": framing.COBS}


def test_worked_frames_of_a_serial_line() -> None:
    rows = re.findall(r"^\| ([a-z_ ]+) \| (\w+) \| `([0-9a-f ]+)` \|", DOCUMENT, re.MULTILINE)
    assert [row[:2] for row in rows] == [(name, way) for name in ("echo request", "blob_put request") for way in SERIAL]
    for name, way, written in rows:
        assert SERIAL[way].encode(FRAMES[name].encode()) == bytes.fromhex(written)
        assert SERIAL[way].decoder().feed(bytes.fromhex(written)) == [FRAMES[name]]


def test_statuses() -> None:
    section = DOCUMENT.partition("| STATUS |")[2].partition("Numbers are never")[0]
    written = {int(number): name for number, name in re.findall(r"^\| (\d+) \| (\w+) \|", section, re.MULTILINE)}
    assert written == {int(status): status.name.lower() for status in Status}


def test_commands() -> None:
    section = DOCUMENT.partition("## 6.")[2].partition("## 7.")[0]
    written = re.findall(r"^\| (\d+) \w+ \| (read|write)", section, re.MULTILINE)
    defined = {value for name, value in vars(contract).items() if name.isupper() and isinstance(value, tuple)}
    assert {(smp.READ if op == "read" else smp.WRITE, 64, int(number)) for number, op in written} == defined
