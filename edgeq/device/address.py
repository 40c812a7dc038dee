"""What a device address may look like, known without opening anything."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path

from edgeq.errors import UsageError
from edgeq.host.paths import home

FORMS = (
    "Give local:, local:NAME, ssh://user@host, serial:/dev/ttyACM0, tcp://host:port, qemu:rpi4 or qemu:mps2-an386, "
    "or a name from [devices] in edgeq.toml."
)
_LOCAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_address(address: str) -> None:
    """`UsageError` unless this is the address of some device; whether it is there is another question."""
    scheme = address.partition(":")[0]
    if scheme not in SCHEMES or ":" not in address:
        near = difflib.get_close_matches(scheme, SCHEMES, 1)
        hint = f"Did you mean '{near[0]}:'? " if near else ""
        raise UsageError(f"'{address}' is not a device address that this edgeq knows.", hint + FORMS)
    SCHEMES[scheme](address)


def local_store(address: str) -> Path:
    """The store behind `local:`, or `local:NAME` for one of several devices on this machine."""
    name = address.partition(":")[2]
    if name and not _LOCAL_NAME.fullmatch(name):
        raise UsageError(
            f"'{address}' cannot name a device on this machine.",
            "Write it as local:NAME, with letters, digits, dot, dash and underscore; at most 64.",
        )
    return home() / (f"local-{name}" if name else "local")


def _local(address: str) -> None:
    local_store(address)


def _ssh(address: str) -> None:
    from edgeq.link.ssh_address import parse_ssh

    parse_ssh(address)


def _serial(address: str) -> None:
    from edgeq.link.line_address import parse_serial

    parse_serial(address)


def _tcp(address: str) -> None:
    from edgeq.link.line_address import parse_tcp

    parse_tcp(address)


def _qemu(address: str) -> None:
    from edgeq.emulate.state import check_key, check_name

    name, _, key = address.partition(":")[2].partition("#")
    check_name(name)
    check_key(key or name)


SCHEMES: dict[str, Callable[[str], None]] = {
    "local": _local,
    "ssh": _ssh,
    "serial": _serial,
    "tcp": _tcp,
    "qemu": _qemu,
}
