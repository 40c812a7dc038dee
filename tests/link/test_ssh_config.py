"""~/.ssh/config: `ssh -G` is the oracle where it is installed."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeq.errors import UsageError
from edgeq.host import paths
from edgeq.link.ssh_address import Address
from edgeq.link.ssh_config import resolve

CONFIG = """
Include extra.d/*.conf
Host lab*
    HostName %h.example.org
    User builder
    Port 2022
    IdentityFile ~/.ssh/lab_key
    IdentityFile "/keys/second key"
    IdentitiesOnly yes
    UserKnownHostsFile ~/.ssh/lab_hosts /srv/hosts
Host alias
    HostKeyAlias Shared
    HostName 10.0.0.7
Host jumped
    ProxyJump me@bastion:2200,second
Host through
    HostName inner
    ProxyCommand nc -x gate %h %p %r
Host direct
    ProxyCommand none
Host *
    Port 2999
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".ssh"
    (folder / "extra.d").mkdir(parents=True)
    (folder / "config").write_text(CONFIG)
    (folder / "extra.d" / "a.conf").write_text("Host included\n  User guest\n")
    return tmp_path


def test_defaults_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_rsa").touch()
    target = resolve("ssh://host")
    assert (target.host, target.port, target.user) == ("host", 22, getpass.getuser())
    assert target.identities == (tmp_path / ".ssh" / "id_rsa",) and not target.identities_only
    assert target.key_name == "host" and not target.proxy_command and not target.proxy_jump
    assert target.known_hosts == (
        tmp_path / ".ssh" / "known_hosts",
        tmp_path / ".ssh" / "known_hosts2",
        paths.home() / "known_hosts",
        Path("/etc/ssh/ssh_known_hosts"),
        Path("/etc/ssh/ssh_known_hosts2"),
    )


def test_everything_honoured(home: Path) -> None:
    target = resolve("ssh://lab1")
    assert (target.host, target.port, target.user) == ("lab1.example.org", 2022, "builder")
    assert target.identities == (home / ".ssh" / "lab_key", Path("/keys/second key")) and target.identities_only
    assert target.known_hosts[:2] == (home / ".ssh" / "lab_hosts", Path("/srv/hosts"))
    assert paths.home() / "known_hosts" in target.known_hosts
    assert target.key_name == "[lab1.example.org]:2022"
    assert resolve("ssh://alias").key_name == "shared"
    assert resolve("ssh://included").user == "guest"
    assert resolve("ssh://included").port == 2999


def test_the_address_goes_before_the_file(home: Path) -> None:
    target = resolve("ssh://root@lab1:22")
    assert (target.port, target.user, target.key_name) == (22, "root", "lab1.example.org")
    assert resolve("ssh://pi@through:77").proxy_command == "nc -x gate inner 77 pi"


def test_ways_through(home: Path) -> None:
    assert resolve("ssh://jumped").proxy_jump == (Address("bastion", 2200, "me"), Address("second"))
    assert resolve("ssh://direct").proxy_command == ""
    (home / ".ssh" / "config").write_text("Host *\n ProxyJump bastion\n")
    assert resolve("ssh://inside").proxy_jump == (Address("bastion"),)
    assert resolve("ssh://bastion").proxy_jump == ()


def test_arguments_stand_alone(home: Path) -> None:
    key = home / "k"
    key.touch()
    target = resolve("ssh://lab1", identity=key, known_hosts=home / "kh")
    assert target.identities == (key,) and target.identities_only and target.known_hosts == (home / "kh",)
    with pytest.raises(UsageError, match="no key file"):
        resolve("ssh://lab1", identity=home / "absent")


@pytest.mark.parametrize(
    "text",
    [
        "Port many",
        "Port 0",
        "nonsense",
        "Host 'open",
        "ProxyJump -oX",
        "ProxyJump $(id)",
        "Match exec",
        "Include 'open",
        "UserKnownHostsFile 'open",
    ],
)
def test_nonsense_is_a_usage_error(home: Path, text: str) -> None:
    (home / ".ssh" / "config").write_text(text + "\n")
    with pytest.raises(UsageError) as caught:
        resolve("ssh://host")
    assert caught.value.hint


def test_files_that_include_each_other(home: Path) -> None:
    (home / ".ssh" / "config").write_text("Include config\n")
    with pytest.raises(UsageError, match="deep"):
        resolve("ssh://host")


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed")
@pytest.mark.parametrize("host", ["lab1", "lab22", "alias", "included", "other", "jumped", "through"])
def test_as_openssh_reads_it(home: Path, host: str) -> None:
    # OpenSSH takes the home folder from the password file, not from HOME.
    (home / ".ssh" / "config").write_text(CONFIG.replace("extra.d", f"{home}/.ssh/extra.d"))
    told = subprocess.run(
        ["ssh", "-G", "-F", str(home / ".ssh" / "config"), host], check=True, capture_output=True, text=True
    ).stdout
    options = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
    target = resolve(f"ssh://{host}")
    assert (target.host, str(target.port), target.user) == (options["hostname"], options["port"], options["user"])
    assert bool(target.proxy_jump) == ("proxyjump" in options)
