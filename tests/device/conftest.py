"""An SSH server on this machine for the tests of devices."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.emulate import Instance

INSTANCE = f"rpi4-contract-{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"
"""Each process of `pytest -n` has its own."""


@pytest.fixture(scope="session")
def _emulated_pi() -> Iterator[Instance]:
    """An emulated Pi of these tests' own, with an empty home at first."""
    from edgeq import emulate

    recipes = emulate.probe("rpi4")
    if not any(recipe.ok for recipe in recipes):
        pytest.skip(f"this machine allows no recipe for an emulated Pi: {recipes[0].why}")
    emulate.stop("rpi4", instance=INSTANCE)
    yield emulate.start("rpi4", instance=INSTANCE, reset=True)
    emulate.stop("rpi4", instance=INSTANCE)


@pytest.fixture
def emulated_pi(_emulated_pi: Instance) -> str:
    """The address of an emulated Pi on which nothing is installed; blobs and runtimes that were sent stay."""
    from edgeq.link.ssh import SshSession

    found = _emulated_pi
    with SshSession(found.address, identity=found.identity, known_hosts=found.known_hosts) as session:
        forget = "cd ~/.local/share/edgeq/store && rm -rf state current releases || true"
        assert session.run(["sh", "-c", forget]).code == 0
    return f"qemu:rpi4#{INSTANCE}"


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
