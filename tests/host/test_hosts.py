"""Where edgeq runs: Linux does everything; Windows and macOS install, build, check, deploy and report.

There is no Windows here. `support/windows` shows edgeq's own modules one (see there how), in every process that a
command starts; mypy, which knows every name of the standard library by system, reads the calls that no test makes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundles import MODEL, make_bundle
from mcu import Process, make_mcu_bundle
from sshd import Sshd, need_sshd

from edgeq.device.open import open_device
from edgeq.errors import UsageError
from edgeq.host.lock import locked
from edgeq.host.paths import home
from edgeq.link import ssh_paramiko
from edgeq.link.ssh_config import resolve
from edgeq.link.ssh_openssh import openssh
from edgeq.link.ssh_wire import ProxyProcess

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = ROOT / "tests" / "support" / "windows"

LINUX_ONLY = ("edgeq.agent", "edgeq.client", "edgeq.emulate", "edgeq.link.program")
"""What runs on devices, what starts emulators, and the link to a program of this machine: refused elsewhere."""

IMPORTS = """
import importlib, pkgutil, sys, edgeq
left_out = tuple(sys.argv[1:])
for found in pkgutil.walk_packages(edgeq.__path__, "edgeq."):
    if not found.name.startswith(left_out) and not found.name.endswith("__main__"):
        importlib.import_module(found.name)
        print(found.name)
"""
# The device's python3 is the one of these tests, whatever the login shell's start-up files say about the PATH.
WITH_OUR_PYTHON = f'ForceCommand PATH="{Path(sys.executable).parent}:$PATH" exec sh -c "$SSH_ORIGINAL_COMMAND"'


def windows(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python as on Windows: no program of this machine is in the PATH, and stdout has the code page 1252."""
    nothing = home() / "nothing"
    nothing.mkdir(parents=True, exist_ok=True)
    settings = {
        "PYTHONPATH": str(WINDOWS),
        "PYTHONIOENCODING": "cp1252",
        "PYTHONWARNDEFAULTENCODING": "1",
        "PATH": str(nothing),
    }
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="cp1252",
        timeout=240,
    )


def edgeq(*arguments: object, cwd: Path) -> str:
    """What a command that succeeds prints."""
    done = windows("-m", "edgeq", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def as_edgeq(statements: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run statements that stand in a module of edgeq."""
    code = f"exec({statements!r}, {{'__name__': 'edgeq.somewhere', '__builtins__': __builtins__}})"
    return windows("-c", code, cwd=cwd)


@pytest.mark.parametrize(
    ("statements", "error"),
    [
        ("import fcntl", "ModuleNotFoundError"),
        ("from termios import TCSANOW", "ModuleNotFoundError"),
        ("import os; os.killpg", "AttributeError"),
        ("from os import O_NOFOLLOW", "ImportError"),
        ("import signal; signal.SIGKILL", "AttributeError"),
        ("import socket; socket.AF_UNIX", "AttributeError"),
        ("import os, select; select.select([os.pipe()[0]], [], [], 0)", "OSError"),
        ("import subprocess; subprocess.Popen(['x'], pass_fds=[1])", "ValueError"),
        ("import subprocess; subprocess.run(['/bin/sh', '-c', 'true'])", "FileNotFoundError"),
        ("open('a', 'w')", "EncodingWarning"),
        ("import os; file = open('a', 'wb'); os.unlink('a')", "PermissionError"),
        ("from pathlib import Path; Path('a').touch(); Path('b').touch(); Path('a').rename('b')", "FileExistsError"),
    ],
)
def test_the_other_windows_lacks_what_windows_lacks(statements: str, error: str, tmp_path: Path) -> None:
    done = as_edgeq(statements, tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(error), done.stderr


def test_the_other_windows_has_what_windows_has(tmp_path: Path) -> None:
    statements = (
        "import os, sys, signal, select, socket, subprocess\n"
        "assert (sys.platform, os.name) == ('win32', 'nt')\n"
        "from os import path, replace\n"
        "signal.SIGTERM, socket.socketpair, subprocess.Popen\n"
        "assert subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout == b'1\\n'\n"
        "open('a', 'wb').close(); open('b', 'wb').close(); replace('a', 'b'); os.unlink('b')"
    )
    done = as_edgeq(statements, tmp_path)
    assert done.returncode == 0, done.stderr
    assert windows("-c", "import sys; assert sys.platform == 'linux'; import fcntl, termios").returncode == 0


def test_every_module_of_a_host_is_imported_on_windows(tmp_path: Path) -> None:
    done = windows("-c", IMPORTS, "edgeq.agent", "edgeq.client", "edgeq.emulate.supervise", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = done.stdout.split()
    assert {"edgeq.link.serial", "edgeq.quantize.worker", "edgeq.emulate", "edgeq.cli.devices"} < set(names)


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_no_call_that_another_system_lacks(platform: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    # Without other packages: numpy's types take most of the time, and are the same everywhere.
    options = ("--platform", platform, "--no-site-packages", "--ignore-missing-imports", "--no-warn-unreachable")
    command = [sys.executable, "-m", "mypy", *options, f"--cache-dir={tmp_path}", "edgeq"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    lacking = [line for line in done.stdout.splitlines() if "Module has no attribute" in line]
    left_out = tuple(name.replace(".", "/") + end for name in LINUX_ONLY for end in ("/", ".py"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(line.startswith(left_out) for line in lacking)
    assert not [line for line in lacking if not line.startswith(left_out)]


def test_locks_hold_between_windows_processes(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    code = (
        "import sys; from pathlib import Path; from edgeq.host.lock import locked\n"
        "with locked(Path(sys.argv[1]), float(sys.argv[2]), lambda: print('waiting')): print('held')"
    )
    with locked(path, 1):
        done = windows("-c", code, path, 0.1)
    assert done.stdout == "waiting\n"
    assert "UsageError: Another edgeq process has held" in done.stderr
    done = windows("-c", code, path, 0.1)
    assert (done.returncode, done.stdout) == (0, "held\n"), done.stderr


def test_home_is_where_programs_keep_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEQ_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".local" / "share" / "edgeq"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert home() == tmp_path / "Library" / "Application Support" / "edgeq"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert home() == tmp_path / "Local" / "edgeq"


def test_what_needs_linux_says_so(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "tiny")
    for address, what in (("local:", "local:"), ("qemu:rpi4", "An emulated board")):
        done = windows("-m", "edgeq", "deploy", bundle.folder, "--to", address, cwd=tmp_path)
        assert done.returncode == 2
        assert f"{what} needs Linux; this is Windows." in done.stderr
        assert "ssh://" in done.stderr
        assert "Traceback" not in done.stderr
    probes = "from edgeq.emulate import probe\nfor name in ('rpi4', 'mps2-an386'): print(*probe(name))"
    done = windows("-c", probes, cwd=tmp_path)
    assert done.stdout.count("ok=False, why='An emulated board needs Linux; this is Windows.'") == 2, done.stderr


def test_ssh_goes_by_paramiko_and_key_files_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    target = resolve("ssh://pi@board", config=tmp_path / "config")
    assert openssh(replace(target, known_hosts=())) is None
    assert ssh_paramiko.agent(str(tmp_path / "socket")) is None
    with pytest.raises(UsageError, match="ProxyCommand cannot be used on Windows"):
        ProxyProcess("nc board 22", "ssh://pi@board")


@pytest.mark.slow
def test_targets_check_and_build_on_windows(tmp_path: Path) -> None:
    import tinymodel

    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    shutil.copy(tinymodel.models() / "tiny.keras", tmp_path)
    shutil.copy(tinymodel.data_file(), tmp_path / "data.npz")
    assert "Usage" in edgeq("--help", cwd=tmp_path)
    assert "rpi4" in edgeq("targets", cwd=tmp_path)
    # The model is quantized already: the build below shows that TensorFlow's worker runs.
    checked = json.loads(edgeq("check", MODEL, "--target", "rpi4", "--json", cwd=tmp_path))
    assert "rpi4" in json.dumps(checked)
    options = ("--target", "rpi4", "--data", "data.npz", "-o", "out")
    assert "static_wi8_ai8" in edgeq("build", "tiny.keras", *options, "--eval", "data.npz", cwd=tmp_path)


def test_a_bundle_replaces_another_on_windows(tmp_path: Path) -> None:
    for _ in range(2):
        edgeq("build", MODEL, "--target", "rpi4", "-o", "out", cwd=tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tiny_int8-rpi4"]


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A Linux device that the user's ~/.ssh/config knows."""
    need_sshd()
    pytest.importorskip("paramiko", reason="paramiko is not installed")
    settings = tmp_path / "home" / ".ssh"
    settings.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "no-agent"))
    with Sshd(tmp_path / "sshd", env={"XDG_DATA_HOME": str(tmp_path / "data")}, extra=(WITH_OUR_PYTHON,)) as server:
        (settings / "config").write_text(
            f"Host *\n  IdentityFile {server.identity}\n  UserKnownHostsFile {server.known_hosts}\n", encoding="utf-8"
        )
        yield server


@pytest.mark.slow
def test_deploy_run_bench_and_report_over_ssh_from_windows(device: Sshd, tmp_path: Path) -> None:
    line(device.address, make_bundle(tmp_path / "tiny").folder, tmp_path)


@pytest.fixture
def board(firmware_process: Path, tmp_path: Path) -> Iterator[Process]:
    """The firmware's host port as a process."""
    running = Process(firmware_process, tmp_path / "flash.bin")
    yield running
    running.kill()


@pytest.mark.slow
def test_deploy_run_bench_and_report_over_a_serial_line_from_windows(board: Process, tmp_path: Path) -> None:
    pytest.importorskip("serial", reason="pyserial is not installed")
    with open_device(board.address) as device:
        facts = device.describe()
    bundle = make_mcu_bundle(tmp_path / "tiny", target=facts["target"], arch=facts["arch"])
    with Terminal(board.address) as terminal:
        line(f"serial:{terminal.port}", bundle.folder, tmp_path)
    assert "serves" in edgeq("deploy", bundle.folder, "--to", board.address, cwd=tmp_path)


def line(address: str, bundle: Path, folder: Path) -> None:
    """The straight line, with the real commands."""
    np.save(folder / "x.npy", np.zeros((2, 8, 8, 1), np.float32))
    assert "as release 1" in edgeq("deploy", bundle, "--to", address, cwd=folder)
    edgeq("run", address, "--input", "x.npy", "-o", "y.npy", cwd=folder)
    assert len(np.load(folder / "y.npy")) == 2
    edgeq("bench", address, "--runs", 5, "--warmup", 1, "-o", "run.json", cwd=folder)
    for name in ("report.html", "report.md"):
        edgeq("report", "run.json", "-o", name, cwd=folder)
        assert "tiny" in (folder / name).read_text(encoding="utf-8")
    told = edgeq("report", "run.json", cwd=folder)
    assert "-----" in told, "the code page has no line to draw with"
    assert "?" not in told
    assert "tiny" in edgeq("releases", address, cwd=folder)


class Terminal:
    """A serial port, `port`, at whose other end is the line at a `tcp://` address."""

    def __init__(self, address: str) -> None:
        host, _, number = address.removeprefix("tcp://").rpartition(":")
        self._socket = socket.create_connection((host, int(number)), timeout=5)
        self._socket.settimeout(None)
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        for work in (self._up, self._down):
            threading.Thread(target=work, daemon=True).start()

    def _up(self) -> None:
        try:
            while data := os.read(self._ours, 4096):
                self._socket.sendall(data)
        except OSError:
            return

    def _down(self) -> None:
        try:
            while data := self._socket.recv(4096):
                os.write(self._ours, data)
        except OSError:
            return

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        os.close(self._theirs)
        os.close(self._ours)
