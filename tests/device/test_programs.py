"""The agent's programs run by a host: on this machine, through a real sshd; an installed agent is used as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import another, processes, until

from edgeq.agent import installed
from edgeq.device.address import local_store
from edgeq.device.agentfile import agent_sha
from edgeq.device.open import open_device
from edgeq.device.programs import parse_answer, run_program
from edgeq.errors import DeviceError, UsageError

ADDRESS = "local:service"


@pytest.fixture
def service() -> Iterator[Path]:
    """An installed agent of this machine."""
    run_program(ADDRESS, ["install", "--supervised"])
    yield local_store(ADDRESS)
    run_program(ADDRESS, ["uninstall"])
    until(lambda: not processes(local_store(ADDRESS)))


def put_to_work(root: Path, version: str, folder: Path) -> str:
    """Another agent in place of the installed one, as if it had been installed by another edgeq."""
    sha = another(folder / "other.pyz", version=version)
    command = [sys.executable, folder / "other.pyz", "install", root, "--supervised", "--json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout)["sha"] == sha
    return sha


def test_an_installed_agent_of_another_version_is_used_and_not_replaced(service: Path, tmp_path: Path) -> None:
    sha = put_to_work(service, "0.3.0", tmp_path)
    before = processes(service)
    with open_device(ADDRESS) as device:
        assert device.describe()["agent_sha"] == sha
        assert device.releases() == []
    assert processes(service) == before


def test_one_too_far_apart_is_named_and_can_be_updated(service: Path, tmp_path: Path) -> None:
    put_to_work(service, "0.9.0", tmp_path)
    with pytest.raises(DeviceError, match=r"is edgeq 0\.9\.0, and this is") as no:
        open_device(ADDRESS)
    assert f"edgeq agent update {ADDRESS}" in no.value.hint
    found = run_program(ADDRESS, ["update"])
    assert (found["changed"], found["sha"]) == (True, agent_sha())
    with open_device(ADDRESS) as device:
        assert device.describe()["agent_sha"] == agent_sha()


def test_an_agent_that_is_no_service_is_renewed(tmp_path: Path) -> None:
    root = local_store(ADDRESS)
    another(tmp_path / "other.pyz", version="0.3.0")
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "other.pyz"), "attach", str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        until(lambda: processes(root))
        with open_device(ADDRESS) as device:
            assert device.describe()["agent_sha"] == agent_sha()
            device.reset()
        other.kill()
        other.wait(60)


def test_through_a_real_sshd(loopback_ssh: str, tmp_path: Path) -> None:
    found = run_program(loopback_ssh, ["status"])
    assert found["installed"] is False
    try:
        found = run_program(loopback_ssh, ["install", "--supervised"])
        assert found["store"] == str(tmp_path / "data" / "edgeq" / "store")
        assert found["agent"]["service"] == "supervised"
        with open_device(loopback_ssh) as device:
            assert device.describe()["service"] == "supervised"
        os.kill(processes(Path(found["store"]))[0], 9)
        with open_device(loopback_ssh) as device:  # started again by its supervisor, not by us
            assert device.describe()["service"] == "supervised"
    finally:
        assert run_program(loopback_ssh, ["uninstall"])["was"] is True


def test_what_is_refused_is_said_in_the_devices_words() -> None:
    with pytest.raises(DeviceError, match="local:service says no: no agent is installed as a service") as no:
        run_program(ADDRESS, ["update"])
    assert no.value.exit_code == 5
    for address in ("serial:/dev/ttyACM0", "tcp://board:3333"):
        with pytest.raises(UsageError, match="is a microcontroller"):
            run_program(address, ["status"])
    assert installed.read(local_store(ADDRESS)) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Welcome to {pi}\n{"a": {\n"b": 2}}\n', {"a": {"b": 2}}),
        ("motd\n", None),
        ("", None),
        ("{\n", None),
    ],
)
def test_the_answer_after_a_greeting(text: str, found: object) -> None:
    assert parse_answer(text) == found
