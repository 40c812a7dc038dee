"""Addresses of serial lines: `serial:PORT[?option=value&...]` and `tcp://host:port`, read strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from edgeq.errors import UsageError
from edgeq.link.frames import USUAL_BAUD
from edgeq.link.ssh_address import parse_destination

SERIAL_FORM = "Write it as serial:/dev/ttyACM0 or serial:/dev/ttyUSB0?baud=921600."
TCP_FORM = "Write it as tcp://host:port."
LINES = ("dtr", "rts")


@dataclass(frozen=True)
class SerialAddress:
    """`port` is a device file or a URL of pyserial; `dtr` and `rts` are the lines that stay asserted while it is open,
    `reset_on_open` the one that is pulsed then (empty: none)."""

    port: str
    baud: int = USUAL_BAUD
    dtr: bool = False
    rts: bool = False
    reset_on_open: str = ""


def parse_serial(address: str) -> SerialAddress:
    """The parts of `serial:...`; `UsageError` names the option that is not understood."""
    scheme, _, rest = address.partition(":")
    port, _, query = rest.partition("?")
    if scheme != "serial" or not port:
        raise UsageError(f"'{address}' names no serial port.", SERIAL_FORM)
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - {"baud", "reset_on_open", *LINES})
    if unknown:
        raise UsageError(
            f"'{address}' has an option '{unknown[0]}' that serial ports do not have.",
            "There are: baud, dtr, rts, reset_on_open.",
        )
    return SerialAddress(
        port,
        _baud(options.get("baud", str(USUAL_BAUD)), address),
        _on(options, "dtr", address),
        _on(options, "rts", address),
        _line(options.get("reset_on_open", ""), address),
    )


def parse_tcp(address: str) -> tuple[str, int]:
    """Host and port of `tcp://host:port`."""
    scheme, separator, rest = address.partition("://")
    if scheme != "tcp" or not separator:
        raise UsageError(f"'{address}' is not a TCP address.", TCP_FORM)
    place = parse_destination(rest.removesuffix("/"), address)
    if not place.port or place.user:
        raise UsageError(f"'{address}' needs a host and a port, and no more.", TCP_FORM)
    return place.host, place.port


def _baud(text: str, address: str) -> int:
    if not re.fullmatch(r"[0-9]{2,8}", text) or int(text) < 50:
        raise UsageError(f"'{address}' has no valid baud rate.", "A baud rate is a number such as 115200.")
    return int(text)


def _on(options: dict[str, str], name: str, address: str) -> bool:
    text = options.get(name, "off")
    if text not in ("on", "off"):
        raise UsageError(f"'{address}': {name} is '{text}'.", "It can be on or off.")
    return text == "on"


def _line(text: str, address: str) -> str:
    if text and text not in LINES:
        raise UsageError(f"'{address}': reset_on_open is '{text}'.", "It names the line that resets: dtr or rts.")
    return text
