"""The supervisor with real agents: killed, frozen, crashing; new ones on trial, good and bad."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from agents import CRASHES, HANGS, WRONG, another, processes, until
from bundles import make_bundle

from edgeq.agent import installed
from edgeq.agent.here import Gone, Here
from edgeq.agent.installed import Installed
from edgeq.agent.supervise import Pace
from edgeq.deploy import deploy
from edgeq.device.agentfile import agent_path, agent_sha
from edgeq.device.device import Device
from edgeq.link.program import ProgramLink
from edgeq.protocol import contract

PATIENT = Pace(first_s=0.1, longest_s=0.5, ask_every_s=3.0, silent=2, trial_s=60.0, ending_s=30.0)
"""On a busy machine an agent takes some seconds until it answers."""
QUICK = replace(PATIENT, trial_s=8.0)
"""Where the agent on trial never answers."""
SCRIPT = """
import json, sys
from pathlib import Path
from edgeq.agent.supervise import Pace, supervise
sys.exit(supervise(Path(sys.argv[2]), Pace(**json.loads(sys.argv[1]))))
"""


@pytest.fixture
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A store whose agent is installed and supervised, at a pace that a test may choose."""
    store = tmp_path / "store"
    installed.add_file(store, agent_path(), installed.agent_file(store, agent_sha()))
    installed.write(store, Installed(agent_sha(), installed.SUPERVISED))
    with running(store, getattr(request, "param", PATIENT)):
        yield store


@contextlib.contextmanager
def running(store: Path, pace: Pace = PATIENT) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, json.dumps(asdict(pace)), str(store)]) as supervisor:
        try:
            until(lambda: facts(store))
            yield supervisor
        finally:
            supervisor.terminate()
            supervisor.wait(60)
    assert not processes(store)


def facts(store: Path) -> dict[str, Any]:
    try:
        with Here(store, start=False) as here:
            return here.ask(contract.DESCRIBE, {})
    except Gone:
        return {}


def attach(store: Path) -> Device:
    return Device(ProgramLink([sys.executable, str(agent_path()), "attach", str(store)], "local:"), "local:")


def state(store: Path) -> dict[str, Any]:
    return dict(json.loads((store / "state").read_text()))


def test_a_killed_agent_is_back_and_a_trial_has_counted_it(root: Path, tmp_path: Path) -> None:
    with attach(root) as device:
        deploy(make_bundle(tmp_path / "a", name="a"), device)
        trial = make_bundle(tmp_path / "b", name="b", confirm={"window_s": 600, "starts": 2})
        assert deploy(trial, device, watch=False).state == "trial"
    for starts in (1, 2):
        (number,) = processes(root)
        os.kill(number, signal.SIGKILL)
        until(lambda number=number: processes(root) not in ([], [number]) and facts(root))
        assert (state(root)["trial"], state(root)["starts"]) == (2, starts)
    (number,) = processes(root)
    os.kill(number, signal.SIGKILL)  # a crash loop: one too many
    until(lambda: state(root)["trial"] is None)
    until(lambda: facts(root))
    assert state(root)["current"] == 1
    assert state(root)["releases"]["2"]["why"] == "the agent started 3 times during the trial"
    with attach(root) as device:
        serving = device.installed().serving
        assert serving is not None
        assert serving.name == "a"
        assert device.describe()["service"] == "supervised"


def test_an_end_in_good_order_does_not_count(root: Path, tmp_path: Path) -> None:
    with attach(root) as device:
        deploy(make_bundle(tmp_path / "b", name="b", confirm={"window_s": 600}), device, watch=False)
    before = processes(root)
    for number in before:
        os.kill(number, signal.SIGTERM)
    until(lambda: processes(root) not in ([], before) and facts(root))
    assert (state(root)["trial"], state(root)["starts"]) == (1, 0)


def test_a_frozen_agent_is_started_anew(root: Path) -> None:
    before = processes(root)
    for number in before:
        os.kill(number, signal.SIGSTOP)
    until(lambda: processes(root) not in ([], before) and facts(root), 120)
    assert b"gave no answer 2 times" in (root / "service" / "log").read_bytes()


def test_a_full_disk_does_not_end_it(root: Path) -> None:
    """What it has to say of an agent that ended cannot be written; the agent is started anew all the same."""
    log = installed.folder(root) / "log"
    log.unlink()
    log.symlink_to("/dev/full")
    (agent,) = processes(root)
    os.kill(agent, signal.SIGKILL)
    until(lambda: agent not in processes(root))
    until(lambda: facts(root))


def test_who_joins_in_the_gap_waits_for_the_supervised_agent(root: Path) -> None:
    for _ in range(3):
        with attach(root) as device:
            device.reset()
        with attach(root) as device:
            assert device.describe()["service"] == "supervised"


def test_it_has_no_idle_end(root: Path) -> None:
    before = processes(root)
    time.sleep(2)
    assert processes(root) == before
    assert "--stay" in Path(f"/proc/{before[0]}/cmdline").read_text()


def test_a_second_supervisor_leaves_the_store_alone(root: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, "{}", str(root)]
    assert subprocess.run(command, timeout=60).returncode == 75
    assert installed.supervisor(root) > 0


def propose(store: Path, file: Path, sha: str) -> None:
    """Put an agent on trial, as `update` does."""
    installed.add_file(store, file, installed.agent_file(store, sha))
    now = installed.read(store)
    assert now is not None
    installed.write(store, Installed(now.current, now.mode, now.previous, sha))
    with Here(store, start=False) as here:
        here.ask((2, 0, 5), {})


def ended(store: Path) -> Installed:
    found = installed.read(store)

    def over() -> bool:
        nonlocal found
        found = installed.read(store)
        return found is not None and not found.trial and bool(found.why)

    until(over, 120)
    assert found is not None
    until(lambda: facts(store).get("agent_sha") == found.current, 60)
    return found


def test_a_new_agent_is_confirmed(root: Path, tmp_path: Path) -> None:
    with attach(root) as device:
        deploy(make_bundle(tmp_path / "a", name="a"), device)
    sha = another(tmp_path / "new.pyz")
    propose(root, tmp_path / "new.pyz", sha)
    found = ended(root)
    assert (found.current, found.previous, found.starts) == (sha, agent_sha(), 0)
    assert facts(root)["agent"] == "0.2.0"
    with attach(root) as device:
        assert device.selftest()["vectors"] == 4


@pytest.mark.parametrize(
    ("root", "added", "said"),
    [
        (PATIENT, CRASHES, "was started 3 times during its trial"),
        (QUICK, HANGS, "did not answer in time"),
        (PATIENT, WRONG, "it computes something else"),
    ],
    indirect=["root"],
    ids=["crashes", "hangs", "computes something else"],
)
def test_a_bad_agent_goes_and_the_former_one_serves(
    root: Path, tmp_path: Path, added: dict[str, str], said: str
) -> None:
    with attach(root) as device:
        deploy(make_bundle(tmp_path / "a", name="a"), device)
    propose(root, tmp_path / "new.pyz", another(tmp_path / "new.pyz", added))
    found = ended(root)
    assert found.current == agent_sha()
    assert said in found.why
    with attach(root) as device:
        assert device.selftest()["vectors"] == 4
        assert device.describe()["agent"] != "0.2.0"


def test_the_supervisor_dies_during_an_update(tmp_path: Path) -> None:
    """SIGKILL of both while a new agent that hangs is on trial: its starts are counted, and it goes."""
    store = tmp_path / "store"
    installed.add_file(store, agent_path(), installed.agent_file(store, agent_sha()))
    sha = another(tmp_path / "new.pyz", HANGS)
    installed.add_file(store, tmp_path / "new.pyz", installed.agent_file(store, sha))
    installed.write(store, Installed(agent_sha(), installed.SUPERVISED, trial=sha))
    for starts in range(1, installed.STARTS + 1):
        with subprocess.Popen([sys.executable, "-c", SCRIPT, json.dumps(asdict(QUICK)), str(store)]) as supervisor:
            until(lambda: processes(store))
            supervisor.kill()
            supervisor.wait(60)
        for number in processes(store):
            os.kill(number, signal.SIGKILL)
        until(lambda: not processes(store))
        found = installed.read(store)
        assert found is not None
        assert found.starts == starts
    with running(store):
        found = installed.read(store)
        assert found is not None
        assert (found.trial, found.current) == ("", agent_sha())
        assert facts(store)["agent_sha"] == agent_sha()


def test_a_damaged_agent_is_passed_over(tmp_path: Path) -> None:
    store = tmp_path / "store"
    old = another(tmp_path / "old.pyz", version="0.0.9")
    installed.add_file(store, tmp_path / "old.pyz", installed.agent_file(store, old))
    installed.add_file(store, agent_path(), installed.agent_file(store, agent_sha()))
    installed.write(store, Installed(agent_sha(), installed.SUPERVISED, previous=old))
    installed.agent_file(store, agent_sha()).write_bytes(b"rotten")
    with running(store):
        assert facts(store)["agent"] == "0.0.9"
