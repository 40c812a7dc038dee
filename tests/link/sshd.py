"""A real OpenSSH server for the tests: a loopback port, its own host keys, one authorised key, all in one folder."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def need_sshd() -> None:
    """Skip with a reason where OpenSSH is not installed."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("OpenSSH's sshd is not installed (apt install openssh-server)")


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a key pair and return the private file."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Sshd:
    """Runs until closed. `env` is for its sessions, `host_keys` are types of keys, `extra` lines of config."""

    def __init__(
        self,
        folder: Path,
        *,
        host_keys: tuple[str, ...] = ("ed25519",),
        env: dict[str, str] | None = None,
        extra: tuple[str, ...] = (),
    ) -> None:
        self.folder, self.port, self.user = folder, free_port(), getpass.getuser()
        folder.mkdir(parents=True, exist_ok=True)
        self.keys = [keygen(folder / f"host_{kind}", kind) for kind in host_keys]
        self.identity = keygen(folder / "id_client")
        shutil.copy(f"{self.identity}.pub", folder / "authorized_keys")
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text("".join(self.line(key) for key in self.keys))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = folder / "sshd_config"
        setenv = " ".join(f'"{name}={value}"' for name, value in (env or {}).items())
        lines = (
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            *(f"HostKey {key}" for key in self.keys),
            f"AuthorizedKeysFile {folder / 'authorized_keys'}",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PidFile none",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "AllowTcpForwarding yes",
            "MaxStartups 100",
            "Subsystem sftp internal-sftp",
            *((f"SetEnv {setenv}",) if setenv else ()),
            *extra,
        )
        config.write_text("\n".join(lines) + "\n")
        self._log = (folder / "log").open("wb")
        assert SSHD is not None
        self._process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        self._wait()

    @property
    def address(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    def at(self, port: int) -> str:
        """The address through a proxy on another port."""
        return f"ssh://{self.user}@127.0.0.1:{port}"

    def line(self, key: Path, name: str | None = None) -> str:
        """The known_hosts line of one of its keys, under its own or another name."""
        kind, blob = Path(f"{key}.pub").read_text().split()[:2]
        return f"{name or f'[127.0.0.1]:{self.port}'} {kind} {blob}\n"

    def known_at(self, port: int) -> Path:
        """A known_hosts file in which this server also answers on another port."""
        path = self.folder / f"known_hosts_{port}"
        path.write_text("".join(self.line(key, f"[127.0.0.1]:{port}") for key in self.keys))
        return path

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def children(self) -> list[int]:
        """Every process below the listener, deepest last."""
        parents: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found, queue = [], [self._process.pid]
        while queue:
            below = parents.get(queue.pop(0), [])
            found += below
            queue += below
        return found

    def signal_sessions(self, number: int) -> None:
        """A signal to the processes that serve connections (and what runs in them), not to the listener."""
        for pid in self.children():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def close(self) -> None:
        self.signal_sessions(signal.SIGKILL)
        self._process.kill()
        self._process.wait(5)
        self._log.close()

    def __enter__(self) -> Sshd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                    sock.settimeout(2)
                    if sock.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self._log.close()
        pytest.fail(f"sshd did not start: {self.log()}")


def running(folder: Path) -> Iterator[Sshd]:
    """The body of a fixture."""
    need_sshd()
    with Sshd(folder) as server:
        yield server
