"""Every recipe that works on this machine really starts, answers over SSH as a Pi 4 does, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgeq import emulate
from edgeq.emulate.process import alive, descendants, identify, marked
from edgeq.emulate.state import RECIPES, running
from edgeq.errors import UsageError

pytestmark = [pytest.mark.emulated, pytest.mark.slow]
EMULATED = {"namespaces": "qemu-user namespaces", "proot": "qemu-user proot", "system": "qemu-system"}


@pytest.fixture(scope="module", params=RECIPES)
def pi(request: pytest.FixtureRequest) -> Iterator[emulate.Instance]:
    """A running instance of its own, one per recipe."""
    recipe = next(item for item in emulate.probe("rpi4") if item.name == request.param)
    if not recipe.ok:
        pytest.skip(f"recipe {recipe.name} does not work here: {recipe.why}")
    if not shutil.which("ssh"):
        pytest.skip("there is no ssh client here")
    key = f"test-{os.getpid()}-{recipe.name}"
    try:
        yield emulate.start("rpi4", instance=key, recipe=recipe.name, reset=True)
    finally:
        emulate.stop("rpi4", instance=key)
        shutil.rmtree(emulate.lifecycle.folder_of(key), ignore_errors=True)


def ssh(pi: emulate.Instance, *command: str, options: tuple[str, ...] = ()) -> str:
    """Standard output of a command on the device, through the real ssh client with the host key checked."""
    user, _, port = pi.address.removeprefix("ssh://").rpartition(":")
    known = ["-F", "none", "-o", f"UserKnownHostsFile={pi.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    identity = ["-i", str(pi.identity), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"]
    full = ["ssh", *known, *identity, "-p", port, *options, user, *command]
    done = subprocess.run(full, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_an_arm64_raspberry_pi(pi: emulate.Instance) -> None:
    script = (
        "uname -m; cat /etc/edgeq-emulated; tr '\\0' '\\n' < /sys/firmware/devicetree/base/model; hostname; id -un; pwd"
    )
    lines = ssh(pi, script).split("\n")
    model = "Raspberry Pi 4 Model B Rev 1.4"
    host = lines.pop(4 if not lines[3] else 3)
    assert [line for line in lines if line] == ["aarch64", EMULATED[pi.recipe], model, "pi", "/home/pi"]
    assert host == "raspberrypi" or pi.recipe == "proot"
    assert ssh(pi, "grep -c 0xd08 /proc/cpuinfo").strip() == "4"
    assert ssh(pi, "cat /sys/class/thermal/thermal_zone0/temp").strip() == "48000"


def test_python_has_what_an_agent_needs(pi: emulate.Instance) -> None:
    script = (
        "import ctypes, hashlib, http.server, json, os, platform, socket, ssl, subprocess, sys, threading, zipfile;"
        "print(platform.machine(), os.environ['QEMU_CPU'], sys.version_info >= (3, 9), os.path.exists('/home/pi'));"
        "s = socket.socket(socket.AF_UNIX); s.bind('/home/pi/socket'); os.remove('/home/pi/socket')"
    )
    assert ssh(pi, f'python3 -c "{script}"') == "aarch64 cortex-a72 True True\n"


def test_files_go_through_sftp(pi: emulate.Instance, tmp_path: Path) -> None:
    payload = os.urandom(3 << 20)
    (tmp_path / "payload").write_bytes(payload)
    user, _, port = pi.address.removeprefix("ssh://").rpartition(":")
    options = [
        "-F",
        "none",
        "-i",
        str(pi.identity),
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        f"UserKnownHostsFile={pi.known_hosts}",
    ]
    command = ["sftp", "-q", "-b", "-", *options, "-P", port, user]
    batch = f"put {tmp_path / 'payload'} there\nget there {tmp_path / 'back'}\nrm there\n"
    subprocess.run(command, input=batch, text=True, check=True, timeout=120, capture_output=True)
    assert (tmp_path / "back").read_bytes() == payload


def test_a_terminal_can_be_had(pi: emulate.Instance) -> None:
    assert "/dev/pts/" in ssh(pi, "tty", options=("-tt",))


def test_a_stranger_does_not_get_in(pi: emulate.Instance) -> None:
    user, _, port = pi.address.removeprefix("ssh://").rpartition(":")
    known = ["-F", "none", "-o", f"UserKnownHostsFile={pi.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    command = [
        "ssh",
        *known,
        "-i",
        "/dev/null",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "BatchMode=yes",
        "-p",
        port,
        user,
        "true",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 255
    assert "Permission denied (publickey,password)" in done.stderr


def test_starting_again_finds_it(pi: emulate.Instance) -> None:
    began = time.monotonic()
    assert emulate.start("rpi4", instance=pi.key) == pi
    assert time.monotonic() - began < 10
    assert pi in emulate.instances()


def test_many_starts_at_once_give_one_instance(pi: emulate.Instance) -> None:
    emulate.stop("rpi4", instance=pi.key)
    script = (
        "import sys; from edgeq import emulate;"
        "i = emulate.start('rpi4', instance=sys.argv[1], recipe=sys.argv[2]); print(i.pid, i.address)"
    )
    command = [sys.executable, "-c", script, pi.key, pi.recipe]
    with ThreadPoolExecutor(3) as pool:
        found = set(
            pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, timeout=300).stdout, range(3))
        )
    again = emulate.start("rpi4", instance=pi.key)
    assert found == {f"{again.pid} {again.address}\n"}
    assert again.address == pi.address, "the port is kept where it is free"


def test_its_home_survives_a_stop_and_nothing_else_does(pi: emulate.Instance) -> None:
    ssh(pi, "echo kept > kept; (setsid sleep 600 </dev/null >/dev/null 2>&1 &) ; sleep 0.5")
    record = running(pi.key)
    assert record
    tree = [found for pid in descendants(record.process.pid) if (found := identify(pid))]
    assert tree
    assert emulate.stop("rpi4", instance=pi.key) is True
    assert not any(map(alive, [record.process, *tree]))
    assert marked(record.cookie) == []
    assert emulate.stop("rpi4", instance=pi.key) is False
    again = emulate.start("rpi4", instance=pi.key, recipe=pi.recipe)
    assert ssh(again, "cat kept") == "kept\n"
    emptied = emulate.start("rpi4", instance=pi.key, recipe=pi.recipe, reset=True)
    assert ssh(emptied, "ls") == ""


def test_a_killed_supervisor_takes_the_guest_with_it_and_what_was_fetched_starts_again_offline(
    pi: emulate.Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = emulate.start("rpi4", instance=pi.key, recipe=pi.recipe)
    record = running(started.key)
    assert record
    os.kill(started.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(record.process) and time.monotonic() < deadline:
        time.sleep(0.01)
    emulate.fetch("rpi4", recipe=pi.recipe)
    monkeypatch.setenv("EDGEQ_OFFLINE", "1")
    emulate.fetch("rpi4", recipe=pi.recipe)
    again = emulate.start("rpi4", instance=pi.key, recipe=pi.recipe)
    assert (again.recipe, again.pid != started.pid) == (pi.recipe, True)
    assert marked(record.cookie) == []
    assert ssh(again, "uname -m") == "aarch64\n"


def test_an_emulator_that_cannot_start_quotes_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    if not next(item for item in emulate.probe("rpi4") if item.name == "namespaces").ok:
        pytest.skip("recipe namespaces does not work here")
    key = f"test-{os.getpid()}-broken"
    monkeypatch.setattr("edgeq.emulate.recipe_namespaces.sshd_command", lambda _port: ["/bin/ls", "/nonsense"])
    try:
        with pytest.raises(UsageError, match=r"cannot access .*nonsense") as caught:
            emulate.start("rpi4", instance=key, recipe="namespaces")
        assert "log" in caught.value.hint
        assert running(key) is None
    finally:
        shutil.rmtree(emulate.lifecycle.folder_of(key), ignore_errors=True)
