"""Signing in: agent keys, key files, then a password, and a message that names all that was tried."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from edgeq.errors import LinkError
from edgeq.link import ssh_paramiko
from edgeq.link.ssh_config import SshTarget
from edgeq.link.ssh_wire import Deadline

PASSWORD_VARIABLE = "EDGEQ_SSH_PASSWORD"  # noqa: S105 - the name of a variable
ASKED_TIMES = 3
MAX_KEY_BYTES = 1 << 16


@dataclass
class _Attempt:
    """State of one sign-in: what the host still accepts and what was tried."""

    transport: Any
    target: SshTarget
    timeout_s: float
    allowed: tuple[str, ...] = ()
    tried: list[str] = field(default_factory=list)

    def run(self, what: str, method: Callable[[], Any]) -> bool:
        """One attempt; true when signed in. A refusal is remembered, anything else is raised."""
        paramiko = ssh_paramiko.library()
        deadline = Deadline(self.timeout_s)
        self.transport.auth_timeout = self.timeout_s
        try:
            remaining = method()
        except paramiko.BadAuthenticationType as refused:
            self.allowed = tuple(refused.allowed_types)
        except paramiko.AuthenticationException as refused:
            deadline.left(self.target.shown, "signing in")
            if not self.transport.is_active():
                raise self._closed(what) from refused
        else:
            self.allowed = tuple(remaining or ())
            if self.transport.is_authenticated():
                return True
        if what:
            self.tried.append(what)
        return False

    def _closed(self, what: str) -> LinkError:
        tried = ", ".join([*self.tried, *([what] if what else [])])
        return LinkError(
            f"{self.target.shown} closed the connection while signing in (tried: {tried or 'nothing yet'}).",
            "It may allow fewer attempts: name one key with --identity or IdentitiesOnly in ~/.ssh/config.",
        )

    def refused(self) -> LinkError:
        tried = ", ".join(self.tried) or "nothing: there is no agent key, no key file and no password"
        accepts = f" It accepts: {', '.join(self.allowed)}." if self.allowed else ""
        return LinkError(
            f"{self.target.shown} did not let user '{self.target.user}' sign in; tried {tried}.{accepts}",
            f"ssh-copy-id -p {self.target.port} {self.target.user}@{self.target.host} installs your key; "
            f"a password can stand in {PASSWORD_VARIABLE}.",
        )


def sign_in(
    transport: Any, target: SshTarget, password: str | None, ask: Callable[[str], str] | None, timeout_s: float
) -> None:
    """Authenticate `transport`, or raise a `LinkError` that names what was tried.

    `ask` gets a prompt and returns a password or passphrase; it is called only where nothing else is left to try.
    """
    attempt = _Attempt(transport, target, timeout_s)
    # As OpenSSH does: it tells what the host accepts, and a host that wants nothing lets us in.
    if attempt.run("", lambda: transport.auth_none(target.user)):
        return
    if "publickey" in attempt.allowed and _with_keys(attempt, ask):
        return
    if _with_password(attempt, password, ask):
        return
    raise attempt.refused()


def _with_keys(attempt: _Attempt, ask: Callable[[str], str] | None) -> bool:
    with contextlib.closing(_Keys(attempt.target)) as keys:
        for name, key in keys.offered(ask, attempt.tried):
            if attempt.run(name, partial(attempt.transport.auth_publickey, attempt.target.user, key)):
                return True
            if attempt.allowed and "publickey" not in attempt.allowed:
                return False
    return False


class _Keys:
    """The keys there are, in the order of trying; holds the agent open while it is needed."""

    def __init__(self, target: SshTarget) -> None:
        self._target = target
        self._agent = ssh_paramiko.agent(os.environ.get("SSH_AUTH_SOCK", ""))

    def offered(self, ask: Callable[[str], str] | None, skipped: list[str]) -> Iterator[tuple[str, Any]]:
        """Agent keys that are also named as files, key files, other agent keys, files with a passphrase.

        What cannot be offered for want of a passphrase is put into `skipped`, for the message.
        """
        in_agent = {key.asbytes(): key for key in (self._agent.get_keys() if self._agent else ())}
        locked: list[Path] = []
        for path in self._target.identities:
            key = in_agent.pop(public_blob(path), None)
            if key is not None:
                yield f"the agent's key for {path}", key
            elif path.suffix != ".pub" and path.is_file():
                key = ssh_paramiko.load_key(path, None)
                if key is None:
                    locked.append(path)
                else:
                    yield f"key file {path}", key
        if not self._target.identities_only:
            for key in in_agent.values():
                yield f"agent key {key.comment or key.get_name()}", key
        for path in locked:
            passphrase = ask(f"Passphrase for key {path}: ") if ask else ""
            if passphrase:
                yield f"key file {path}", ssh_paramiko.load_key(path, passphrase)
            else:
                skipped.append(f"key file {path} (not opened: it has a passphrase)")

    def close(self) -> None:
        if self._agent:
            self._agent.close()


def public_blob(path: Path) -> bytes:
    """The public key that lies beside a private one, or empty."""
    path = path if path.suffix == ".pub" else Path(f"{path}.pub")
    try:
        with path.open("rb") as stream:
            return base64.b64decode(stream.read(MAX_KEY_BYTES).split()[1])
    except (OSError, IndexError, binascii.Error):
        return b""


def _with_password(attempt: _Attempt, password: str | None, ask: Callable[[str], str] | None) -> bool:
    if not {"password", "keyboard-interactive"} & set(attempt.allowed):
        return False
    given = password if password is not None else os.environ.get(PASSWORD_VARIABLE)
    if given:
        return _send_password(attempt, "the given password", given)
    for _ in range(ASKED_TIMES if ask else 0):
        assert ask is not None  # the loop does not run without
        typed = ask(f"Password for {attempt.target.user} at {attempt.target.shown}: ")
        if not typed:
            return False
        if _send_password(attempt, "the typed password", typed):
            return True
    return False


def _send_password(attempt: _Attempt, what: str, password: str) -> bool:
    transport, user = attempt.transport, attempt.target.user
    if "password" in attempt.allowed:
        return attempt.run(what, lambda: transport.auth_password(user, password, fallback=False))

    def answer(_title: str, _text: str, prompts: list[tuple[str, bool]]) -> list[str]:
        return [password if not echo else "" for _, echo in prompts]

    return attempt.run(what, lambda: transport.auth_interactive(user, answer))
