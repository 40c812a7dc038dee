"""The agent as a service: installed, updated and removed by its own programs; the unit as systemd reads it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import CRASHES, WRONG, another, processes, until
from bundles import make_bundle

from edgeq.agent import install, installed
from edgeq.deploy import deploy
from edgeq.device.agentfile import agent_path, agent_sha
from edgeq.device.device import Device
from edgeq.link.program import ProgramLink

Done = subprocess.CompletedProcess


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    store = tmp_path / "store"
    yield store
    agent("uninstall", store)
    for number in (*processes(store), *processes(store, "supervise")):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def agent(program: str, store: Path, *more: str, file: Path | None = None, **options: Any) -> Done[str]:
    command = [sys.executable, str(file or agent_path()), program, str(store), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def told(done: Done[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def attach(store: Path) -> Device:
    return Device(ProgramLink([sys.executable, str(agent_path()), "attach", str(store)], "local:"), "local:")


def test_supervised_installed_and_gone_again(root: Path, tmp_path: Path) -> None:
    with attach(root) as device:  # an agent without a service is at work already
        deploy(make_bundle(tmp_path / "a", name="a"), device)
    found = told(agent("install", root, "--supervised", "--json"))
    assert (found["mode"], found["sha"], found["trial"]) == ("supervised", agent_sha(), None)
    assert found["agent"]["service"] == "supervised"
    assert found["serving"] == {"n": 1, "name": "a", "state": "confirmed"}
    assert found["cron"].startswith("@reboot ")
    assert [item["code"] for item in found["findings"]].count("not-at-boot") == 1
    assert processes(root, "supervise") == [found["supervisor"]]
    (number,) = processes(root)
    os.kill(number, signal.SIGKILL)
    until(lambda: processes(root) not in ([], [number]))
    again = told(agent("install", root, "--supervised", "--json"))  # the same command again converges
    assert len(processes(root, "supervise")) == 1
    assert again["supervisor"] != found["supervisor"]
    text = agent("status", root).stdout
    assert "serves   release 1 (a), confirmed" in text
    assert f"looked after by process {again['supervisor']}" in text
    assert told(agent("uninstall", root, "--json"))["was"] is True
    assert processes(root) == processes(root, "supervise") == []
    assert not (root / "service").exists()
    assert (root / "agent.pyz").exists()  # applications import from there
    assert told(agent("uninstall", root, "--json"))["was"] is False
    assert told(agent("status", root, "--json"))["installed"] is False
    with attach(root) as device:
        serving = device.installed().serving
        assert serving is not None
        assert serving.n == 1
        device.reset()


def test_an_update_is_confirmed_or_undone(root: Path, tmp_path: Path) -> None:
    with attach(root) as device:
        deploy(make_bundle(tmp_path / "a", name="a"), device)
    no = agent("update", root)
    assert (no.returncode, "install it first" in no.stderr) == (5, True)
    told(agent("install", root, "--supervised", "--json"))
    assert told(agent("update", root, "--json"))["changed"] is False

    sha = another(tmp_path / "new.pyz")
    found = told(agent("update", root, "--json", file=tmp_path / "new.pyz"))
    assert (found["changed"], found["sha"], found["agent"]["agent"]) == (True, sha, "0.2.0")

    for number, added in enumerate((CRASHES, WRONG)):
        bad = tmp_path / f"bad{number}.pyz"
        another(bad, added, version="0.3.0")
        done = agent("update", root, "--json", file=bad)
        assert done.returncode == 5
        assert "the former one is at work again" in json.loads(done.stdout)["error"]["message"]
        now = told(agent("status", root, "--json"))
        assert (now["sha"], now["agent"]["agent"], now["serving"]["n"]) == (sha, "0.2.0", 1)
    assert len(list((root / "service").glob("agent-*.pyz"))) <= 4


def test_no_update_while_a_release_is_on_trial(root: Path, tmp_path: Path) -> None:
    told(agent("install", root, "--supervised", "--json"))
    with attach(root) as device:
        deploy(make_bundle(tmp_path / "a", name="a", confirm={"window_s": 600}), device, watch=False)
    another(tmp_path / "new.pyz")
    done = agent("update", root, file=tmp_path / "new.pyz")
    assert (done.returncode, "release 1 is on trial" in done.stderr) == (5, True)
    now = installed.read(root)
    assert now is not None
    assert now.trial == ""


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = agent("install", tmp_path / "file" / "store", "--json")
    assert done.returncode == 5
    assert "Not a directory" in json.loads(done.stdout)["error"]["message"]


# systemd

NAMES = ["plain", "with blank", 'quote"d', "per%cent", "dol$lar", "back\\slash", "it's"]


@pytest.mark.parametrize("name", NAMES)
def test_systemd_reads_the_unit_as_it_is_meant(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    store = tmp_path / name
    unit = tmp_path / installed.UNIT
    unit.write_text(install.unit_text(store))
    command = [analyze, "verify", "--user", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    about = [line for line in done.stderr.splitlines() if installed.UNIT in line]
    assert done.returncode == 0, done.stderr
    assert about == [], done.stderr
    assert "StartLimitIntervalSec=0\n" in unit.read_text().partition("[Service]")[0]


def test_a_mistake_in_the_unit_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    unit = tmp_path / installed.UNIT
    unit.write_text(install.unit_text(tmp_path).replace("ExecStart", "ExecStrat"))
    done = subprocess.run([analyze, "verify", "--user", "--man=no", unit], capture_output=True, timeout=60)
    assert done.returncode or b"ExecStrat" in done.stderr


STAND_IN = """#!{python}
# Stands in for a manager of user services: it starts what the unit says, in a session of its own.
import os, shlex, signal, subprocess, sys
from pathlib import Path
folder = Path(__file__).parent
with (folder / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
word = sys.argv[2]
pid = folder / "pid"
if word in ("stop", "disable", "restart") and pid.exists():
    try:
        os.kill(int(pid.read_text()), signal.SIGTERM)
    except ProcessLookupError:
        pass
    pid.unlink()
if word == "restart":
    unit = Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user" / sys.argv[3]
    line = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    child = subprocess.Popen(shlex.split(line[10:]), start_new_session=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pid.write_text(str(child.pid))
"""


def test_with_systemd_it_is_a_unit(root: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text(STAND_IN.format(python=sys.executable))
    (tools / "systemctl").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    found = told(agent("install", root, "--json", env=environment))
    unit = Path(found["unit"])
    assert found["mode"] == "systemd"
    assert unit == tmp_path / "config" / "systemd" / "user" / installed.UNIT
    assert found["agent"]["service"] == "systemd"
    assert "no-linger" in [item["code"] for item in found["findings"]]
    assert "loginctl enable-linger" in found["findings"][0]["hint"]
    calls = (tools / "calls").read_text().splitlines()
    assert calls[-3:] == [
        "--user daemon-reload",
        f"--user enable {installed.UNIT}",
        f"--user restart {installed.UNIT}",
    ]
    assert shlex.split(unit.read_text().partition("ExecStart=")[2].splitlines()[0])[-2:] == ["supervise", str(root)]
    assert told(agent("uninstall", root, "--json", env=environment))["was"] is True
    assert not unit.exists()
    assert f"--user disable --now {installed.UNIT}" in (tools / "calls").read_text()
    until(lambda: not processes(root))


def test_the_line_for_cron_is_what_a_shell_reads(tmp_path: Path) -> None:
    root = tmp_path / "it's 100% mine"
    line = install.cron_line(root)
    assert line.startswith("@reboot ")
    words = shlex.split(line[len("@reboot ") :].replace("\\%", "%"))  # cron itself takes the backslash away
    assert words == [sys.executable, str(root / "service" / "supervisor.pyz"), "supervise", str(root)]
