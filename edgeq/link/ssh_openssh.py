"""The quick way over SSH: the installed `ssh` program carries a link where it can do so without a question.

It speaks chacha20-poly1305, which paramiko lacks: the cheapest cipher for a device without AES instructions. It is told
everything that `ssh_config` found out and reads no configuration itself, so it reaches the same host, by the same keys,
under the same rules for host keys. It is never what explains a failure: where it does not get through, `SshSession`
takes the same way again and says why.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edgeq.errors import LinkError
from edgeq.link.program import ProgramLink
from edgeq.link.ssh_auth import PASSWORD_VARIABLE
from edgeq.link.ssh_config import SshTarget
from edgeq.link.ssh_link import remote_command

PROGRAM_VARIABLE = "EDGEQ_SSH_PROGRAM"
"""Another `ssh` program; empty for none."""
CONNECT_S = 5
FAILED = 255
"""The exit code of `ssh` itself; every other one is the remote program's."""


class Openssh:
    """Starts programs on `target`, each over a connection of its own."""

    def __init__(self, program: str, target: SshTarget) -> None:
        self.name = target.shown
        self._argv = [program, *options(target), "--", target.host]

    def start(self, argv: Sequence[str]) -> OpensshLink:
        """Start a program whose stdin and stdout are the link; `LinkError` where `ssh` does not start."""
        return OpensshLink([*self._argv, os.fsdecode(remote_command(argv))], self.name)


class OpensshLink(ProgramLink):
    """A program on the device; `code` is its exit code, None also where `ssh` failed."""

    @property
    def code(self) -> int | None:
        code = super().code
        return None if code == FAILED else code

    def gone(self) -> LinkError:
        """The error for a connection that broke or a program that has ended."""
        error = super().gone()
        return (
            error
            if self.code is not None
            else LinkError(f"{self.name} closed the connection{self.said()}.", error.hint)
        )


def openssh(target: SshTarget) -> Openssh | None:
    """The quick way to `target`, or None: no `ssh` here, a way over other hosts, a password to be given, or Windows."""
    if sys.platform == "win32":
        return None
    program = shutil.which(os.environ.get(PROGRAM_VARIABLE, "ssh"))
    by_password = PASSWORD_VARIABLE in os.environ
    if not program or by_password or target.proxy_command or target.proxy_jump or not _quotable(target):
        return None
    return Openssh(program, target)


def options(target: SshTarget) -> list[str]:
    """The options of `ssh` that say all that `target` says; nothing is asked, forwarded or remembered."""
    settings = {
        "User": target.user,
        "Port": str(target.port),
        "HostKeyAlias": target.key_name,
        "UserKnownHostsFile": " ".join(map(_quoted, target.known_hosts)) or os.devnull,
        "GlobalKnownHostsFile": os.devnull,
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
        "CheckHostIP": "no",
        "IdentitiesOnly": "yes" if target.identities_only else "no",
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_S),
        "LogLevel": "ERROR",
        "Compression": "no",
    }
    named = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    keys = [word for path in target.identities for word in ("-o", f"IdentityFile={_quoted(path)}")]
    return ["-F", "none", "-T", "-a", "-x", *named, *(keys or ["-o", "IdentityFile=none"])]


def _quotable(target: SshTarget) -> bool:
    """Whether every path can be written into an option: OpenSSH expands `${`, and has no escape for it."""
    paths = (*target.identities, *target.known_hosts)
    return not any(char in str(path) for path in paths for char in ('"', "\\", "${", "\n"))


def _quoted(path: Path) -> str:
    return '"' + str(path.absolute()).replace("%", "%%") + '"'
