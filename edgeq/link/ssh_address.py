"""`ssh://[user@]host[:port]`, read strictly: what stands in it reaches known_hosts files and proxy commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeq.errors import UsageError

DEFAULT_PORT = 22
HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?")
IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._-]{1,32})?")
USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+-]{0,127}")
FORM = "Write it as ssh://user@host or ssh://user@host:port."


@dataclass(frozen=True)
class Address:
    """What was written: `user` is empty and `port` is 0 where the address leaves them to the configuration."""

    host: str
    port: int = 0
    user: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return "ssh://" + (f"{self.user}@" if self.user else "") + host + (f":{self.port}" if self.port else "")


def parse_ssh(address: str) -> Address:
    """The parts of an address; `UsageError` on anything that is not plainly a user, a host and a port."""
    scheme, separator, rest = address.partition("://")
    if scheme.lower() != "ssh" or not separator:
        raise UsageError(f"{address!r} is not an SSH address.", FORM)
    return parse_destination(rest.removesuffix("/"), address)


def parse_destination(text: str, shown: str = "") -> Address:
    """`[user@]host[:port]`, as it also stands in ProxyJump; `shown` is what the messages quote."""
    user, at, place = text.rpartition("@")
    if ":" in user:
        # The message does not quote the address: it holds a password.
        raise UsageError(
            "An SSH address must not hold a password.", "Put the password into EDGEQ_SSH_PASSWORD, or better use a key."
        )
    shown = shown or text
    if at and not USER.fullmatch(user):
        raise UsageError(f"{shown!r} has no valid user name before the '@'.", FORM)
    host, port = _split_port(place, shown)
    if not (IPV6.fullmatch(host) if ":" in host else HOST.fullmatch(host)):
        raise UsageError(f"{shown!r} has no valid host name.", FORM)
    return Address(host, _port(port, shown), user)


def _split_port(place: str, shown: str) -> tuple[str, str | None]:
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            raise UsageError(f"{shown!r} has no valid host name.", "An IPv6 address stands in brackets: ssh://[::1]:22")
        return host, rest[1:] if rest else None
    if place.count(":") > 1:
        raise UsageError(f"{shown!r} has no valid host name.", "An IPv6 address stands in brackets: ssh://[::1]:22")
    host, colon, port = place.partition(":")
    return host, port if colon else None


def _port(text: str | None, shown: str) -> int:
    if text is None:
        return 0
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise UsageError(f"{shown!r} has no valid port.", "A port is a whole number from 1 to 65535.")
    return int(text)
