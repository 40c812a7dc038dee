"""Who else on this machine has a port or a connection open, as Linux's /proc tells it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from edgeq.errors import UsageError
from edgeq.link.line_address import parse_serial, parse_tcp

PROC = Path("/proc")
_ESTABLISHED = "01"
_PYTHON = re.compile(r"python[0-9.]*$")


def who_has(address: str) -> str:
    """ "edgeq (process 1234)" of a `serial:` or `tcp://` address; empty where nobody else has it, or nobody can tell.

    Of other users' processes root alone is told, of other machines' nobody.
    """
    try:
        wanted = _connections(address) if address.startswith("tcp:") else {_port(address)}
    except (OSError, UsageError):
        return ""
    for process, opened in _open_files():
        if opened in wanted and process != os.getpid():
            return f"{_name(process)} (process {process})"
    return ""


def _port(address: str) -> str:
    return os.path.realpath(parse_serial(address).port)


def _connections(address: str) -> set[str]:
    """The sockets of this machine that are connected to an address, as /proc/PID/fd names them."""
    host, port = parse_tcp(address)
    ends = {f"{_hex(found[4][0])}:{port:04X}" for found in socket.getaddrinfo(host, port, socket.AF_INET)}
    rows = (line.split() for line in (PROC / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:])
    return {f"socket:[{row[9]}]" for row in rows if row[2] in ends and row[3] == _ESTABLISHED}


def _hex(host: object) -> str:
    """As /proc/net/tcp has it: the words of an address in this machine's order."""
    return f"{int.from_bytes(socket.inet_aton(str(host)), 'little'):08X}"


def _open_files() -> Iterator[tuple[int, str]]:
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is somebody else's
            for file in (folder / "fd").iterdir():
                with contextlib.suppress(OSError):
                    yield int(folder.name), str(file.readlink())


def _name(process: int) -> str:
    """The program; of a Python one, what Python runs."""
    try:
        words = (PROC / str(process) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "a program"
    names = [Path(word).name for word in words if word and not word.startswith("-")]
    if len(names) > 1 and _PYTHON.match(names[0]):
        names = names[1:]
    return "".join(letter for letter in names[0][:40] if letter.isprintable()) if names else "a program"
