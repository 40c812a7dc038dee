"""Addresses of serial lines: what is understood, and what is refused with a hint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.link.line_address import SerialAddress, parse_serial, parse_tcp


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("serial:/dev/ttyACM0", SerialAddress("/dev/ttyACM0")),
        ("serial:/dev/ttyUSB0?baud=921600", SerialAddress("/dev/ttyUSB0", 921_600)),
        ("serial:COM3?reset_on_open=dtr", SerialAddress("COM3", reset_on_open="dtr")),
        ("serial:loop://?dtr=on&rts=off", SerialAddress("loop://", dtr=True)),
        ("serial:rfc2217://lab:4000?baud=9600", SerialAddress("rfc2217://lab:4000", 9600)),
    ],
)
def test_serial(address: str, parsed: SerialAddress) -> None:
    assert parse_serial(address) == parsed


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("serial:", "no serial port"),
        ("serial:?baud=9600", "no serial port"),
        ("ssh:x", "no serial port"),
        ("serial:/dev/ttyS0?boud=1", "option 'boud'"),
        ("serial:/dev/ttyS0?baud=fast", "baud rate"),
        ("serial:/dev/ttyS0?baud=0", "baud rate"),
        ("serial:/dev/ttyS0?baud=", "baud rate"),
        ("serial:/dev/ttyS0?dtr=1", "dtr is '1'"),
        ("serial:/dev/ttyS0?reset_on_open=yes", "reset_on_open is 'yes'"),
    ],
)
def test_serial_refused(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        parse_serial(address)
    assert refused.value.hint


def test_tcp() -> None:
    assert parse_tcp("tcp://127.0.0.1:4321") == ("127.0.0.1", 4321)
    assert parse_tcp("tcp://[::1]:4321/") == ("::1", 4321)


@pytest.mark.parametrize(
    "address", ["tcp:host:1", "tcp://host", "tcp://u@host:1", "tcp://host:0", "tcp://:1", "tcp://"]
)
def test_tcp_refused(address: str) -> None:
    with pytest.raises(UsageError):
        parse_tcp(address)


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    for parse in (parse_serial, parse_tcp):
        for prefix in ("", "serial:", "tcp://"):
            try:
                parse(prefix + text)
            except UsageError:
                continue
