"""An SSH server on this machine for the tests of devices."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def loopback_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a real sshd that trusts us and that we trust, by a ~/.ssh/config of its own."""
    from sshd import Sshd, need_sshd

    need_sshd()
    # The device's python3 is the one of these tests, whatever the login shell's start-up files say about the PATH.
    python = shlex.quote(str(Path(sys.executable).parent))
    force = f'ForceCommand PATH={python}:"$PATH" exec sh -c "$SSH_ORIGINAL_COMMAND"'
    with Sshd(tmp_path / "sshd", env={"XDG_DATA_HOME": str(tmp_path / "data")}, extra=(force,)) as server:
        settings = tmp_path / "home" / ".ssh"
        settings.mkdir(parents=True)
        keys = f"IdentityFile {server.identity}\n  IdentitiesOnly yes\n  UserKnownHostsFile {server.known_hosts}"
        (settings / "config").write_text(f"Host *\n  {keys}\n")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        yield server.address
