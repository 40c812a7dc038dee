"""What goes wrong on the way to a device: one sentence, a hint, an exit code - and what served, serves.

The device is a real sshd on this machine; the commands are the real ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bundles import make_bundle
from sshd import Sshd, keygen, need_sshd

from edgeq.bundle import Bundle
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.link.proxy import Faults, Proxy

# The device's python3 is the one of these tests, whatever the login shell's start-up files say about the PATH.
WITH_OUR_PYTHON = f'ForceCommand PATH="{Path(sys.executable).parent}:$PATH" exec sh -c "$SSH_ORIGINAL_COMMAND"'


@dataclass(frozen=True)
class Lab:
    """A device behind sshd on which `good` serves, the user's settings for it, and what is deployed to it in vain."""

    server: Sshd
    settings: Path
    good: Bundle
    other: Bundle

    def configure(self, **options: object) -> None:
        """Write ~/.ssh/config anew."""
        given = {
            "IdentityFile": self.server.identity,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.server.known_hosts,
            **options,
        }
        self.settings.write_text("Host *\n" + "".join(f"  {key} {value}\n" for key, value in given.items()))


@pytest.fixture(scope="module", params=["ssh", ""], ids=["openssh", "paramiko"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Path, str]]:
    """A lab for all tests of one way to speak SSH, with its user's home and that way: none of them may change what
    serves; each looks whether it did, and the model answers in the end as before."""
    need_sshd()
    folder = tmp_path_factory.mktemp("faults")
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    with (
        pytest.MonkeyPatch.context() as patch,
        Sshd(folder / "sshd", env={"XDG_DATA_HOME": str(folder / "data")}, extra=(WITH_OUR_PYTHON,)) as server,
    ):
        live(patch, home, request.param)
        patch.setenv("EDGEQ_HOME", str(folder / "edgeq"))
        good = make_bundle(folder / "good", name="good")
        lab = Lab(server, home / ".ssh" / "config", good, good)
        lab.configure()
        with open_device(server.address) as device:
            deploy(good, device)
        yield lab, home, request.param
        lab.configure()
        with open_device(server.address) as device:
            assert device.selftest()["vectors"] == 4
            device.reset()


def live(patch: pytest.MonkeyPatch, home: Path, program: str) -> None:
    """Be the user of this home, with this program for SSH."""
    patch.setenv("EDGEQ_SSH_PROGRAM", program)
    patch.setenv("HOME", str(home))
    patch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def lab(served: tuple[Lab, Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    shared, home, program = served
    live(monkeypatch, home, program)
    lab = replace(shared, other=make_bundle(tmp_path / "other", name="other"))
    lab.configure()
    yield lab
    lab.configure()
    with open_device(lab.server.address) as device:
        assert [(item.name, item.serving) for item in device.releases()] == [("good", True)]


def edgeq(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def fails(lab: Lab, code: int, error: str, hint: str, address: str = "") -> None:
    """A deploy of the other bundle ends as promised."""
    done = edgeq("deploy", lab.other.folder, "--to", address or lab.server.address, "-q")
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert second.startswith("hint: ")
    assert hint in second


def test_an_unknown_host_key(lab: Lab, tmp_path: Path) -> None:
    lab.configure(UserKnownHostsFile=tmp_path / "empty")
    fails(lab, 4, "host key", "edgeq trust")


def test_a_host_key_is_trusted_once_it_was_compared(lab: Lab, tmp_path: Path) -> None:
    lab.configure(UserKnownHostsFile=tmp_path / "empty")
    unseen = edgeq("trust", lab.server.address)
    assert unseen.returncode == 2
    shown = unseen.stderr.split("--fingerprint ")[1].strip()
    wrong = edgeq("trust", lab.server.address, "--fingerprint", "SHA256:" + "A" * 43)
    assert (wrong.returncode, shown in wrong.stderr) == (2, True)
    fails(lab, 4, "host key", "edgeq trust")
    assert edgeq("trust", lab.server.address, "--fingerprint", shown).returncode == 0
    assert edgeq("releases", lab.server.address).returncode == 0


def test_a_changed_host_key(lab: Lab, tmp_path: Path) -> None:
    old = keygen(tmp_path / "old")
    (tmp_path / "changed").write_text(lab.server.line(old))
    lab.configure(UserKnownHostsFile=tmp_path / "changed")
    fails(lab, 4, f"{tmp_path / 'changed'}", "compare the fingerprint")


def test_a_key_that_is_not_accepted(lab: Lab, tmp_path: Path) -> None:
    lab.configure(IdentityFile=keygen(tmp_path / "stranger"))
    fails(lab, 4, str(tmp_path / "stranger"), "")


def test_a_device_that_is_not_there(lab: Lab) -> None:
    fails(lab, 4, "127.0.0.1:1", "", f"ssh://{lab.server.user}@127.0.0.1:1")


def test_a_device_without_python(lab: Lab, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for tool in ("sh", "uname", "mkdir", "touch", "rm", "tail", "df", "wc", "cat", "mv", "sleep"):
        (plain / tool).symlink_to(str(shutil.which(tool)))
    force = f'ForceCommand PATH="{plain}" exec sh -c "$SSH_ORIGINAL_COMMAND"'
    with Sshd(tmp_path / "bare", env={"XDG_DATA_HOME": str(tmp_path / "none")}, extra=(force,)) as bare:
        lab.configure(IdentityFile=bare.identity, UserKnownHostsFile=bare.known_hosts)
        fails(lab, 5, "python3", "apt install python3", bare.address)


def test_a_full_disk(lab: Lab, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "edgeq", small], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount a tmpfs")
    try:
        with Sshd(tmp_path / "full", env={"XDG_DATA_HOME": str(small)}, extra=(WITH_OUR_PYTHON,)) as full:
            lab.configure(IdentityFile=full.identity, UserKnownHostsFile=full.known_hosts)
            fails(lab, 5, "free", "Free some space", full.address)
            with open_device(full.address) as device:
                device.reset()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_connection_killed_midway_is_told_and_the_next_try_goes_on(lab: Lab, tmp_path: Path, share: float) -> None:
    big = make_bundle(tmp_path / "big", name="big", model=os.urandom(3_000_000))
    at = int(share * 3_000_000) + 20_000
    with Proxy("127.0.0.1", lab.server.port, up=Faults(close_at=at)) as proxy:
        lab.configure(UserKnownHostsFile=lab.server.known_at(proxy.port))
        address = lab.server.at(proxy.port)
        done = edgeq("deploy", big.folder, "--to", address, "-q")
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 2), done.stderr
    lab.configure()
    with open_device(lab.server.address) as device:
        (sha, size) = big.files["model.tflite"]
        offset = device.missing([sha])[sha]
        # At most one window (15 messages of 64 KiB) was under way and is lost.
        assert size * share - 1_050_000 < offset < size
        device.put(sha, big.path("model.tflite").read_bytes(), offset, lambda _: None)
        assert device.missing([sha]) == {}


def test_a_bundle_that_was_tampered_with(lab: Lab) -> None:
    model = lab.other.path("model.tflite")
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    done = edgeq("deploy", lab.other.folder, "--to", lab.server.address, "--json", "-q")
    assert done.returncode == 6
    assert '"exit_code": 6' in done.stdout
