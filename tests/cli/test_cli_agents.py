"""`edgeq pack` and `edgeq agent` as commands: documents, words, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from agents import processes, until
from bundles import make_bundle

from edgeq.device.address import local_store


def edgeq(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, cwd=folder)


def test_pack_and_apply(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "tiny-box")
    done = edgeq("pack", "tiny-box", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"holds tiny ({bundle.digest[:12]}), no runtime wheels" in done.stdout
    found = json.loads(edgeq("pack", "tiny-box", "-o", "x.eqb", "--json", folder=tmp_path).stdout)
    assert (found["path"], found["name"], found["signed"]) == ("x.eqb", "tiny", False)
    assert (tmp_path / "x.eqb").read_bytes() == (tmp_path / "tiny-box.eqb").read_bytes()
    done = edgeq("agent", "file", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    command = [sys.executable, "edgeq-agent.pyz", "apply", "x.eqb", "store", "--dry-run", "--json"]
    plan = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert plan.returncode == 0, plan.stderr
    assert json.loads(plan.stdout)["device"] == str(tmp_path / "store")
    reset = [sys.executable, "edgeq-agent.pyz", "install", "store", "--supervised"]
    assert subprocess.run(reset, capture_output=True, timeout=120, cwd=tmp_path).returncode == 0
    assert subprocess.run([*reset[:2], "uninstall", "store"], capture_output=True, timeout=120, cwd=tmp_path)
    until(lambda: not processes(tmp_path / "store"))


def test_the_life_of_a_service(tmp_path: Path) -> None:
    try:
        done = edgeq("agent", "install", "local:box", "--supervised", folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "service  supervised, looked after by process" in done.stdout
        assert "crontab -e" in done.stdout
        found = json.loads(edgeq("agent", "status", "local:box", "--json", folder=tmp_path).stdout)
        assert (found["device"], found["installed"], found["mode"]) == ("local:box", True, "supervised")
        done = edgeq("agent", "update", "local:box", folder=tmp_path)
        assert (done.returncode, "nothing was changed" in done.stdout) == (0, True)
    finally:
        done = edgeq("agent", "uninstall", "local:box", folder=tmp_path)
    assert "The service of local:box is gone" in done.stdout
    until(lambda: not processes(local_store("local:box")))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["agent", "update", "local:none"], 5, "no agent is installed as a service"),
        (["agent", "status", "serial:/dev/ttyACM0"], 2, "is a microcontroller"),
        (["pack", "absent"], 2, "There is no bundle at 'absent'"),
        (["agent", "file", "-o", "absent/agent.pyz"], 2, "cannot be written"),
    ],
)
def test_what_is_refused(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = edgeq(*arguments, "--json", folder=tmp_path)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert json.loads(done.stdout)["error"]["exit_code"] == code
