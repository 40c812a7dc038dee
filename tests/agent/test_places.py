"""Stores in real places that are unfit: read-only, in memory, noexec, on an overlay, not ours to write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.agent.service import Service
from edgeq.device.agentfile import agent_path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A mount point of this test's own."""
    folder = tmp_path / "place"
    folder.mkdir()
    if os.getuid() or subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True).returncode:
        pytest.skip("only root mounts here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def codes(root: Path) -> list[str]:
    service = Service(root)
    try:
        return [item["code"] for item in service.describe()["findings"]]
    finally:
        service.close()


def test_in_memory_and_noexec(place: Path) -> None:
    assert codes(place / "store") == ["store-in-memory"]
    remount(place, "noexec")
    assert codes(place / "store") == ["store-noexec", "store-in-memory"]


def test_read_only(place: Path) -> None:
    remount(place, "ro")
    for program in ("attach", "status", "install"):
        done = subprocess.run(
            [sys.executable, str(agent_path()), program, str(place / "store")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if program == "status":
            assert done.returncode == 0
            continue
        assert done.returncode != 0
        assert "read-only" in done.stderr.lower()
        assert "XDG_DATA_HOME" in done.stderr


def test_an_overlay_whose_changes_are_in_memory(place: Path) -> None:
    for name in ("lower", "upper", "work", "root"):
        (place / name).mkdir()
    options = f"lowerdir={place / 'lower'},upperdir={place / 'upper'},workdir={place / 'work'}"
    if subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, place / "root"], capture_output=True
    ).returncode:
        pytest.skip("this machine mounts no overlay")
    try:
        assert codes(place / "root" / "store") == ["store-in-memory"]
    finally:
        subprocess.run(["umount", "-l", place / "root"], check=True)


def test_a_home_that_is_not_ours_to_write(tmp_path: Path) -> None:
    setpriv = shutil.which("setpriv")
    if os.getuid() or setpriv is None:
        pytest.skip("only root becomes somebody else")
    home = Path("/tmp") / f"edgeq-unwritable-{os.getpid()}"  # pytest's own folders are closed to others
    home.mkdir(mode=0o755)
    try:
        shutil.copy(agent_path(), home / "agent.pyz")
        (home / "agent.pyz").chmod(0o644)
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
        done = subprocess.run(
            [setpriv, "--reuid=65534", "--clear-groups", python, home / "agent.pyz", "attach"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        )
    finally:
        shutil.rmtree(home)
    assert done.returncode == 1
    assert f"{home}/.local" in done.stderr
    assert "Permission denied; make it writable, or set XDG_DATA_HOME" in done.stderr
