"""One encrypted connection whose host key was checked, through jump hosts and proxy commands where configured."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError, LinkTimeout, UsageError
from edgeq.link import known_hosts as hosts
from edgeq.link import ssh_auth, ssh_paramiko, ssh_wire
from edgeq.link.ssh_config import SshTarget, resolve
from edgeq.link.ssh_wire import Deadline, Wire, too_late

MAX_JUMPS = 8
CLOSE_S = 2.0


class Connection:
    """An SSH connection up to and including its key exchange; `sign_in` authenticates. Closed by `close`."""

    def __init__(
        self,
        target: SshTarget,
        timeout_s: float,
        *,
        ask: Callable[[str], str] | None = None,
        config: Path | None = None,
        via: Connection | None = None,
        depth: int = 0,
    ) -> None:
        self.target, self.timeout_s, self.shown = target, timeout_s, target.shown
        self._ask, self._config, self._via, self._depth = ask, config, via, depth
        self._proxy: ssh_wire.ProxyProcess | None = None
        self.transport: Any = None
        deadline = Deadline(timeout_s)
        self.known = hosts.read_known_hosts(target.known_hosts)
        try:
            with ssh_paramiko.translating(self.shown):
                self.wire = self._dial(deadline)
                self._exchange_keys(deadline)
        except EdgeqError as error:
            failure = self._proxy_failure(error)
            self.close()
            if failure:
                raise failure from error
            raise
        except BaseException:
            self.close()
            raise

    def _proxy_failure(self, error: EdgeqError) -> EdgeqError | None:
        return self._proxy.failure() if self._proxy and not isinstance(error, LinkTimeout) else None

    def _dial(self, deadline: Deadline) -> Wire:
        target = self.target
        if self._via is None and target.proxy_jump:
            self._via = self._jump()
            deadline = Deadline(self.timeout_s)
        if self._via:
            below = self._via.open_channel("direct-tcpip", (target.host, target.port), ("127.0.0.1", 0))
        elif target.proxy_command:
            self._proxy = ssh_wire.ProxyProcess(target.proxy_command, self.shown)
            below = self._proxy.sock
        else:
            below = ssh_wire.connect_tcp(target.host, target.port, deadline, self.shown)
        return Wire(below, self.timeout_s)

    def _jump(self) -> Connection:
        """The last of the jump hosts, signed in. Passwords given for the destination never go to them."""
        if self._depth >= MAX_JUMPS:
            raise UsageError(
                f"ProxyJump for {self.shown} goes over more than {MAX_JUMPS} hosts.", "Does it go in a circle?"
            )
        via: Connection | None = None
        for address in self.target.proxy_jump:
            target = resolve(str(address), config=self._config)
            via = Connection(target, self.timeout_s, ask=self._ask, config=self._config, via=via, depth=self._depth + 1)
            try:
                via.sign_in(None)
            except BaseException:
                via.close()
                raise
        assert via is not None  # proxy_jump is not empty here
        return via

    def _exchange_keys(self, deadline: Deadline) -> None:
        types = hosts.known_types(self.known, self.target.key_name)
        # paramiko's own limits are longer than ours, so that ours speaks first.
        self.transport = ssh_paramiko.transport(self.wire, types, self.timeout_s + 1)
        done = threading.Event()
        self.transport.start_client(event=done)
        if not done.wait(deadline.left(self.shown, "exchanging keys")):
            raise too_late(self.shown, self.timeout_s, "exchanging keys")
        if not self.transport.is_active():
            deadline.left(self.shown, "exchanging keys")  # On a machine that slept, paramiko's limit may speak first.
            raise self.transport.get_exception() or EOFError()

    @property
    def host_key(self) -> hosts.HostKey:
        """What the host showed."""
        key = self.transport.host_key
        return hosts.HostKey(self.target.key_name, key.get_name(), key.asbytes())

    def sign_in(self, password: str | None) -> None:
        """Check the host key, then authenticate: nothing secret is sent to a host that is not known."""
        hosts.check(self.host_key, self.known, self.shown)
        with ssh_paramiko.translating(self.shown):
            ssh_auth.sign_in(self.transport, self.target, password, self._ask, self.timeout_s)

    def open_channel(self, kind: str, *where: Any, timeout_s: float | None = None) -> Any:
        """A channel, opened in time."""
        limit_s = self.timeout_s if timeout_s is None else min(timeout_s, self.timeout_s)
        with self.bounded(limit_s, "opening a channel"):
            return self.transport.open_channel(kind, *where, timeout=limit_s + 1)

    @contextlib.contextmanager
    def bounded(self, timeout_s: float, doing: str) -> Iterator[None]:
        """Let the block wait for `timeout_s` at most: then the connection is closed, which ends every wait."""
        ends = time.monotonic() + timeout_s
        timer = threading.Timer(timeout_s, self.transport.close)
        timer.daemon = True
        timer.start()
        try:
            with ssh_paramiko.translating(self.shown):
                yield
        except EdgeqError as error:
            if time.monotonic() >= ends or self.wire.stalled:
                raise too_late(self.shown, timeout_s, doing) from error
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Free sockets, threads and processes; never raises and never hangs, may be called twice."""
        wire = getattr(self, "wire", None)
        if self.transport is not None:
            with contextlib.suppress(Exception):
                self.transport.close()
                # The timer of the key exchange would keep the interpreter from ending.
                self.transport.packetizer.complete_handshake()
        if wire is not None:
            wire.close()
        if self.transport is not None and self.transport.ident is not None:
            self.transport.join(CLOSE_S)
        if self._proxy:
            self._proxy.close()
        if self._via:
            self._via.close()
