"""The supervisor: nothing of a process tree outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.emulate import process, supervise
from edgeq.emulate.process import alive, descendants, end, identify, wait_gone

SCRIPT = Path(supervise.__file__)
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
os.wait()
print('ready', flush=True)
time.sleep(60)
"""


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-I", "-S", str(SCRIPT), *arguments], stdout=subprocess.PIPE, text=True)


def test_the_exit_status_is_the_commands() -> None:
    with _start("cookie", "", "0", sys.executable, "-c", "raise SystemExit(7)") as supervisor:
        assert supervisor.wait(10) == 7
    with _start("cookie", "", "0", "/no/such/program") as supervisor:
        assert supervisor.wait(10) == 127


@pytest.mark.parametrize("how", [signal.SIGTERM, None])
def test_a_daemon_of_the_command_ends_with_it(how: signal.Signals | None) -> None:
    with _start("cookie", "", "0", sys.executable, "-c", DAEMON) as supervisor:
        assert supervisor.stdout
        assert supervisor.stdout.readline() == "ready\n"
        tree = [found for pid in descendants(supervisor.pid) if (found := identify(pid))]
        assert len(tree) == 2
        if how:
            supervisor.send_signal(how)
        else:
            os.kill(tree[0].pid, signal.SIGKILL)
        supervisor.wait(10)
        assert not any(map(alive, tree))


def test_power_down_is_asked_for_first() -> None:
    script = "print('ready', flush=True); line = input(); print('asked to', line, flush=True)"
    with _start("cookie", "poweroff", "10", sys.executable, "-c", script) as supervisor:
        assert supervisor.stdout and supervisor.stdout.readline() == "ready\n"
        supervisor.terminate()
        output, _ = supervisor.communicate(timeout=10)
    assert output == "asked to poweroff\n"


def test_a_killed_supervisor_leaves_only_what_the_marker_finds() -> None:
    marker = f"EDGEQ_EMULATOR=test-{os.getpid()}"
    command = [sys.executable, "-I", "-S", str(SCRIPT), marker, "", "0", sys.executable, "-c", DAEMON]
    environment = {**os.environ, "EDGEQ_EMULATOR": marker.partition("=")[2]}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as supervisor:
        assert supervisor.stdout
        assert supervisor.stdout.readline() == "ready\n"
        identity = identify(supervisor.pid)
        assert identity
        tree = [found for pid in descendants(supervisor.pid) if (found := identify(pid))]
        supervisor.kill()
        supervisor.wait(10)
        assert any(map(alive, tree))
        assert end(identity, marker, 1.0)
        assert wait_gone(tree, 5.0)
        assert not end(identity, marker, 1.0)


def test_a_process_name_with_brackets_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "42").mkdir()
    fields = ["S", "1", *["0"] * 17, "777", "0"]
    (tmp_path / "42" / "stat").write_text(f"42 (a) R (b) {' '.join(fields)}\n")
    monkeypatch.setattr(process, "PROC", tmp_path)
    found = identify(42)
    assert found
    assert found.start_ticks == 777
    assert descendants(1) == [42]
