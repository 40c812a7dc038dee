"""The real daemon is killed during a trial: what it wrote before decides, and a second kill ends the trial."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bundles import make_bundle, tiny

from edgeq.bundle import Bundle
from edgeq.device.agentfile import agent_path
from edgeq.device.device import Device
from edgeq.errors import DeviceError, EdgeqError
from edgeq.link.program import ProgramLink
from edgeq.protocol.status import Status
from edgeq.transaction.confirm import ConfirmPolicy

SAMPLE = b"".join(tiny()[2][0][0])
WAIT_S = 60.0
WATCHED = ConfirmPolicy(window_s=1000)


def join(store: Path) -> Device:
    return Device(ProgramLink([sys.executable, str(agent_path()), "attach", str(store)], "local:"), "local:")


def daemon(store: Path) -> int:
    """The process that serves this store."""
    ending = b"\0serve\0" + os.fsencode(store) + b"\0"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += [int(process.name)] * (process / "cmdline").read_bytes().endswith(ending)
    assert len(found) == 1
    return found[0]


def kill(store: Path) -> None:
    os.kill(daemon(store), signal.SIGKILL)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def install(device: Device, bundle: Bundle) -> int:
    for name in (*bundle.files, "manifest.json"):
        digest = bundle.digest if name == "manifest.json" else bundle.files[name][0]
        device.put(digest, bundle.path(name).read_bytes(), 0, lambda _: None)
    return device.stage(bundle.digest, [])


def state(device: Device, n: int) -> str:
    return next(release.state for release in device.releases() if release.n == n)


def serving(device: Device) -> list[int]:
    return [release.n for release in device.releases() if release.serving]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store on which release 1 serves."""
    store = tmp_path / "store"
    with join(store) as device:
        device.activate(install(device, make_bundle(tmp_path / "one", name="one")))
    yield store
    with join(store) as device:
        until(lambda: _reset(device))


def _reset(device: Device) -> bool:
    try:
        device.reset()
    except DeviceError:
        return False  # a job still runs
    return True


def test_a_trial_survives_one_kill_and_not_two(store: Path, tmp_path: Path) -> None:
    with join(store) as device:
        assert device.activate(install(device, make_bundle(tmp_path / "b", confirm=WATCHED.to_json())))["n"] == 2
        kill(store)
    with join(store) as device:
        assert (state(device, 2), serving(device)) == ("trial", [2])
        assert device.invoke(SAMPLE)
        kill(store)
    with join(store) as device:
        assert (state(device, 2), serving(device)) == ("bad", [1])
        assert device.invoke(SAMPLE)
        assert "started 2 times" in str(device.client.request((0, 64, 4), {})["releases"][1]["why"])
        kill(store)
    with join(store) as device:
        assert (state(device, 1), serving(device)) == ("confirmed", [1])


def test_a_crash_loop_of_the_self_test_ends_with_what_served(store: Path, tmp_path: Path) -> None:
    with join(store) as device:
        device.activate(install(device, make_bundle(tmp_path / "b", confirm=ConfirmPolicy(good=5, starts=3).to_json())))
        kill(store)
    for _ in range(3):
        with join(store) as device:
            device.describe()
            kill(store)
    with join(store) as device:
        assert (state(device, 2), serving(device)) == ("bad", [1])


@pytest.mark.parametrize("seed", range(6))
def test_a_kill_at_any_moment_of_an_activation_leaves_one_release_that_answers(
    store: Path, tmp_path: Path, seed: int
) -> None:
    bundle = make_bundle(tmp_path / "b")
    with join(store) as device:
        n = install(device, bundle)
        job = device.client.request((2, 64, 6), {"n": n})["job"]
        time.sleep(random.Random(seed).uniform(0, 0.6))
        told = ""
        with contextlib.suppress(EdgeqError):
            told = device.client.request((0, 64, 13), {"job": job, "from": 0})["state"]
        kill(store)
    with join(store) as device:
        until(lambda: state(device, n) != "trial")
        assert told != "done" or serving(device) == [n]
        assert serving(device) in ([1], [n])
        assert device.invoke(SAMPLE)
        if serving(device) == [1]:
            assert device.activate(install(device, bundle))["state"] == "confirmed"
        (last,) = serving(device)
        assert (last in (n, n + 1), state(device, last)) == (True, "confirmed")


IDLE = """
import sys, threading
from pathlib import Path
from edgeq.agent import daemon

class Server(daemon._Server):
    def __init__(self, *given):
        super().__init__(*given)
        threading.Thread(target=self._hurry).start()

    def _hurry(self):
        sys.stdin.read()
        self._idle_s = 1.0

daemon._Server = Server
while (code := daemon.serve(Path(sys.argv[1]), idle_s=1000.0)) == daemon.BUSY: pass  # the former one ends
sys.exit(code)
"""
"""A daemon that has a second for the next host, but only since its input has ended."""


def test_a_daemon_with_a_trial_stays_though_nobody_is_there(store: Path, tmp_path: Path) -> None:
    with join(store) as device:
        install(device, make_bundle(tmp_path / "b", confirm=ConfirmPolicy(window_s=3.0).to_json()))
        device.reset()
    with subprocess.Popen([sys.executable, "-c", IDLE, str(store)], stdin=subprocess.PIPE) as child:
        until(lambda: (store / "agent.sock").exists())
        with join(store) as device:
            assert device.activate(2)["state"] == "trial"
            assert child.stdin
            child.stdin.close()
        assert child.wait(WAIT_S) == 0
    with join(store) as device:
        assert (state(device, 2), serving(device)) == ("confirmed", [2])


def test_a_hold_ends_with_its_connection(store: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    with join(store) as alice, join(store) as bob:
        assert alice.hold("alice@laptop deploys digits")
        for change in (
            lambda: bob.hold("bob"),
            lambda: bob.activate(1),
            lambda: bob.rollback(),
            lambda: bob.confirm(1),
            lambda: install(bob, bundle),
            lambda: bob.client.request((2, 64, 20), {"document": b"", "envelope": b""}),
        ):
            with pytest.raises(DeviceError, match=r"alice@laptop deploys digits since \d+ s") as no:
                change()
            assert no.value.status == Status.BUSY
        with pytest.raises(DeviceError):
            bob.reset()
        assert bob.selftest()["vectors"] == 4, "what changes nothing is everybody's"
        assert bob.invoke(SAMPLE)
        assert install(alice, bundle) == 2
        alice.client.link.close()
        assert bob.hold("bob", 30)
        assert bob.activate(2)["state"] == "confirmed"
