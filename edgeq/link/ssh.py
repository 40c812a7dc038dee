"""`ssh://`: an authenticated session on a device, over which commands run and links are opened.

Split as: `ssh_address` (what was written), `ssh_config` (what it means here), `known_hosts` (who may answer),
`ssh_wire` (bytes with deadlines), `ssh_connect` (key exchange), `ssh_auth` (signing in), `ssh_link` (programs),
`ssh_paramiko` (the library).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from edgeq.link.known_hosts import HostKey, remember
from edgeq.link.ssh_address import Address, parse_ssh
from edgeq.link.ssh_config import SshTarget, resolve
from edgeq.link.ssh_connect import Connection
from edgeq.link.ssh_link import Completed, SshLink, complete, start_channel

__all__ = [
    "Address",
    "Completed",
    "HostKey",
    "SshLink",
    "SshSession",
    "SshTarget",
    "fetch_host_key",
    "parse_ssh",
    "remember",
]

MAX_OUTPUT_BYTES = 16 << 20


class SshSession:
    """One authenticated connection, opened by its constructor. Not thread-safe.

    `address` may be what `resolve` made of one; `identity` and `known_hosts` then say nothing, for it has its own.
    `timeout_s` bounds each of: connecting with the key exchange, one attempt to sign in, opening a channel.
    `identity` is the only key then; `known_hosts` the only file of host keys. `password` defaults to
    EDGEQ_SSH_PASSWORD; `ask_password` gets a prompt and is called where nothing else is left. `UsageError` for what
    was asked, `LinkError` for an unknown, changed or revoked host key, a refused sign-in or a lost connection,
    `LinkTimeout` for a deadline.
    """

    def __init__(
        self,
        address: str | SshTarget,
        *,
        identity: Path | None = None,
        known_hosts: Path | None = None,
        password: str | None = None,
        timeout_s: float = 15.0,
        ask_password: Callable[[str], str] | None = None,
        config: Path | None = None,
    ) -> None:
        self.target = (
            address
            if isinstance(address, SshTarget)
            else resolve(address, identity=identity, known_hosts=known_hosts, config=config)
        )
        self.name = self.target.shown
        self._connection = Connection(self.target, timeout_s, ask=ask_password, config=config)
        try:
            self._connection.sign_in(password)
        except BaseException:
            self._connection.close()
            raise
        self._timeout_s = timeout_s

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 30.0,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> Completed:
        """Run one command to its end. `timeout_s` is how long no byte may move either way; `argv` arrives verbatim."""
        return complete(self._connection, argv, stdin, timeout_s, max_output_bytes)

    def start(self, argv: Sequence[str]) -> SshLink:
        """Start a program whose stdin and stdout are the link; closing the link closes its stdin."""
        return SshLink(self._connection, start_channel(self._connection, argv, self._timeout_s))

    def close(self) -> None:
        """End every program's link and the connection; never raises, may be called twice."""
        self._connection.close()

    def __enter__(self) -> SshSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fetch_host_key(
    address: str,
    timeout_s: float = 15.0,
    *,
    ask_password: Callable[[str], str] | None = None,
    config: Path | None = None,
) -> HostKey:
    """The key a host shows, for `edgeq trust`; nothing is sent that needs trust, and nothing is remembered."""
    connection = Connection(resolve(address, config=config), timeout_s, ask=ask_password, config=config)
    try:
        return connection.host_key
    finally:
        connection.close()
