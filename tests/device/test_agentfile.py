"""The agent as one file: same bytes every time, and it runs on every Python that a device may have."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

import edgeq
from edgeq.device.agentfile import agent_bytes, agent_path, agent_sha
from edgeq.host.paths import home


def pythons() -> list[str]:
    """Every Python 3.9 to 3.13 of this machine, by PATH or by pyenv."""
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))]
    found = {sys.executable}
    for minor in range(9, 14):
        installed = sorted(path for root in roots for path in root.glob(f"versions/3.{minor}.*/bin/python3"))
        found |= {str(path) for path in installed[:1]}
        on_path = shutil.which(f"python3.{minor}")
        if on_path and "shims" not in on_path:
            found.add(on_path)
    return sorted(found)


def test_the_same_bytes_from_the_same_sources() -> None:
    first = agent_bytes()
    agent_bytes.cache_clear()
    assert agent_bytes() == first
    assert len(first) < 200_000
    assert agent_path().read_bytes() == first
    assert agent_sha()[:16] in agent_path().name


def test_one_that_a_crash_left_without_its_bytes_is_written_again() -> None:
    agent_path().write_bytes(b"")
    assert agent_path().read_bytes() == agent_bytes()


def test_many_may_be_the_first_at_once() -> None:
    for path in home().glob("agent-*.pyz"):
        path.unlink()
    barrier, found = threading.Barrier(16), []

    def work() -> None:
        barrier.wait(10)
        found.append(agent_path().read_bytes() == agent_bytes())

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [True] * 16
    assert [path.name for path in home().iterdir() if path.suffix] == [agent_path().name]


def test_it_holds_the_agent_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.pyz"
    path.write_bytes(agent_bytes())
    names = zipfile.ZipFile(path).namelist()
    assert {name.split("/")[1] for name in names if "/" in name} == {
        *("__init__.py", "client.py", "errors.py", "runtime.py", "units.py"),
        *("agent", "preprocess", "protocol", "transaction"),
    }


@pytest.mark.parametrize("python", pythons())
def test_it_runs_alone_on(python: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.pyz"
    path.write_bytes(agent_bytes())
    done = subprocess.run([python, "-I", path, "version"], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, edgeq.__version__)
    echo = bytes.fromhex("0a0000060000 0000 a161646268 69".replace(" ", ""))
    attached = subprocess.run(
        [python, "-I", path, "attach", tmp_path / "store"], input=echo, capture_output=True, timeout=30
    )
    assert attached.stdout == bytes.fromhex("0b00000600000000a16172626869"), attached.stderr
    reset = bytes.fromhex("0a00000100000105a0")
    subprocess.run(
        [python, "-I", path, "attach", tmp_path / "store"], input=reset, capture_output=True, timeout=30, check=True
    )


def test_bad_usage_and_bad_places_are_told(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, agent_path(), "nonsense"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr[:6]) == (2, "usage:")
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, agent_path(), "attach", tmp_path / "file" / "store"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "file" in done.stderr
