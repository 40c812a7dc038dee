"""examples/ota: a bundle wrapped for Mender, installed, rolled back and refused by the real Mender client.

The client runs standalone, in a mount namespace of its own, where its module folder holds our module.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bundles import make_bundle

from edgeq.device.agentfile import agent_path
from edgeq.device.device import Device, Installed
from edgeq.link.program import ProgramLink

ROOT = Path(__file__).resolve().parents[1]
OTA = ROOT / "examples" / "ota"
MODULES = Path("/usr/share/mender/modules/v3")
NAMESPACE = 'mount --bind "$1" /usr/share/mender/modules/v3 && mount --bind "$2" /etc/mender && shift 2 && exec "$@"'


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian has it)")
    return found


@dataclass
class Board:
    """A device with Mender: its folders, and what its own agent serves."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def mender(self, *arguments: Any) -> subprocess.CompletedProcess[str]:
        own = [tool("mender"), "--no-syslog", "--data", self.folder / "data"]
        command = [
            "unshare",
            "-m",
            "sh",
            "-c",
            NAMESPACE,
            "sh",
            self.folder / "modules",
            self.folder / "etc",
            *own,
            *arguments,
        ]
        environment = {**os.environ, "EDGEQ_CONFIG": str(self.folder / "ota.conf")}
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=180, env=environment, check=False
        )

    def artifact(self, bundle: Path) -> Path:
        """The bundle as a Mender artifact, by the shipped script."""
        out = self.folder / f"{bundle.name}.mender"
        tool("mender-artifact")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        command = ["sh", OTA / "edgeq-artifact-gen", bundle, "test-board", out]
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=120, env={**os.environ, "PATH": path}
        )
        assert done.returncode == 0, done.stderr
        return out

    def installed(self) -> Installed:
        command = [sys.executable, str(agent_path()), "attach", str(self.store)]
        with Device(ProgramLink(command, "local:"), "local:") as device:
            return device.installed()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    tool("mender")
    if (
        os.getuid()
        or not (MODULES.is_dir() and Path("/etc/mender").is_dir())
        or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode
    ):
        pytest.skip("a mount namespace is needed, which only root makes here")
    found = Board(tmp_path)
    (tmp_path / "modules").mkdir()
    shutil.copy(OTA / "edgeq", tmp_path / "modules" / "edgeq")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "device_type").write_text("device_type=test-board\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mender.conf").write_text("{}")
    (tmp_path / "etc" / "artifact_info").write_text("artifact_name=as-shipped\n")
    (tmp_path / "ota.conf").write_text(
        f"EDGEQ_AGENT={agent_path()}\nEDGEQ_STORE={found.store}\nPATH={Path(sys.executable).parent}:$PATH\n"
    )
    yield found
    with contextlib.suppress(Exception):
        command = [sys.executable, str(agent_path()), "attach", str(found.store)]
        with Device(ProgramLink(command, "local:"), "local:") as device:
            device.reset()


def test_mender_installs_commits_and_rolls_back(board: Board, tmp_path: Path) -> None:
    first, second = (make_bundle(tmp_path / name, name=name) for name in ("one", "two"))
    done = board.mender("install", board.artifact(first.folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert board.mender("commit").returncode == 0
    assert f"one-{first.digest[:12]}" in board.mender("show-artifact").stdout

    done = board.mender("install", board.artifact(second.folder))
    assert done.returncode == 0, done.stdout + done.stderr
    serving = board.installed().serving
    assert serving is not None
    assert (serving.name, serving.state) == ("two", "confirmed")
    done = board.mender("rollback")
    assert done.returncode == 0, done.stdout + done.stderr
    serving = board.installed().serving
    assert serving is not None
    assert serving.name == "one"
    assert f"one-{first.digest[:12]}" in board.mender("show-artifact").stdout


def test_a_bad_release_fails_the_update_and_what_served_serves(board: Board, tmp_path: Path) -> None:
    good = make_bundle(tmp_path / "good", name="good")
    bad = make_bundle(tmp_path / "bad", name="bad", outputs=lambda data: bytes(len(data)))
    assert board.mender("install", board.artifact(good.folder)).returncode == 0
    assert board.mender("commit").returncode == 0
    done = board.mender("install", board.artifact(bad.folder))
    assert done.returncode != 0
    assert "self-test" in done.stdout + done.stderr
    found = board.installed()
    assert found.serving is not None
    assert (found.serving.n, found.serving.name, found.trial) == (1, "good", None)
    # Mender tells its module to roll back; nothing older is dug out.
    assert f"good-{good.digest[:12]}" in board.mender("show-artifact").stdout


def test_the_artifact_holds_the_file_as_it_was_packed(board: Board, tmp_path: Path) -> None:
    from edgeq.pack import pack

    bundle = make_bundle(tmp_path / "one")
    artifact = board.artifact(bundle.folder)
    done = subprocess.run([tool("mender-artifact"), "read", artifact], capture_output=True, text=True, timeout=60)
    assert "edgeq" in done.stdout
    assert pack(bundle).sha256 in done.stdout


@pytest.mark.parametrize(
    ("state", "said"), [("NeedsArtifactReboot", "No"), ("SupportsRollback", "Yes"), ("Cleanup", "")]
)
def test_what_the_module_answers(tmp_path: Path, state: str, said: str) -> None:
    done = subprocess.run(["sh", OTA / "edgeq", state, tmp_path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, said)


def test_the_module_reverts_only_what_it_applied(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "EDGEQ_CONFIG": str(tmp_path / "ota.conf")}
    (tmp_path / "ota.conf").write_text("EDGEQ_AGENT=/nowhere\n")
    for applied in (None, {"changed": False, "previous": None, "n": 1}, {"changed": True, "previous": None, "n": 1}):
        if applied:
            (tmp_path / "tmp" / "applied.json").write_text(json.dumps(applied))
        done = subprocess.run(["sh", OTA / "edgeq", "ArtifactRollback", tmp_path], env=environment, timeout=60)
        assert done.returncode == 0
