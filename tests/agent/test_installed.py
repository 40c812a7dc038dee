"""Which agent is started: counted before it runs, gone back from, never a damaged one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from edgeq.agent import installed
from edgeq.agent.errors import Refused
from edgeq.agent.installed import Installed
from edgeq.protocol.status import Status


def put(root: Path, data: bytes) -> str:
    sha = hashlib.sha256(data).hexdigest()
    source = root.parent / "source"
    source.write_bytes(data)
    installed.add_file(root, source, installed.agent_file(root, sha))
    return sha


def now(root: Path) -> Installed:
    found = installed.read(root)
    assert found is not None
    return found


def test_a_trial_is_counted_and_given_up(tmp_path: Path) -> None:
    root = tmp_path / "store"
    old, new = put(root, b"old"), put(root, b"new")
    installed.write(root, Installed(old, "supervised", trial=new))
    for starts in range(1, installed.STARTS + 1):
        assert installed.next_start(root) == (installed.agent_file(root, new), True)
        assert now(root).starts == starts
    assert installed.next_start(root) == (installed.agent_file(root, old), False)
    assert now(root) == Installed(old, "supervised", why="the new agent was started 3 times during its trial")


def test_a_start_that_was_none(tmp_path: Path) -> None:
    root = tmp_path / "store"
    old, new = put(root, b"old"), put(root, b"new")
    installed.write(root, Installed(old, "supervised", trial=new))
    for _ in range(10):
        assert installed.next_start(root)[1]
        installed.not_counted(root)
    assert now(root).starts == 0


def test_confirming_keeps_the_former_one_and_forgets_others(tmp_path: Path) -> None:
    root = tmp_path / "store"
    oldest, old, new = put(root, b"oldest"), put(root, b"old"), put(root, b"new")
    installed.write(root, Installed(old, "supervised", oldest, new, 1))
    installed.confirm(root)
    assert (now(root).current, now(root).previous, now(root).trial) == (new, old, "")
    assert not installed.agent_file(root, oldest).exists()
    installed.revert(root, "nothing is on trial")
    assert now(root).current == new


def test_damaged_agents_are_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "store"
    older, old, new = put(root, b"older"), put(root, b"old"), put(root, b"new")
    installed.write(root, Installed(old, "supervised", older, new))
    installed.agent_file(root, new).write_bytes(b"rotten")
    assert installed.next_start(root) == (installed.agent_file(root, old), False)
    assert now(root).why == "the new agent's file is damaged"
    installed.agent_file(root, old).unlink()
    assert installed.next_start(root) == (installed.agent_file(root, older), False)
    installed.agent_file(root, older).unlink()
    assert installed.next_start(root, tmp_path / "spare") == (tmp_path / "spare", False)
    with pytest.raises(Refused, match="no sound agent"):
        installed.next_start(root)


def test_what_a_later_agent_wrote(tmp_path: Path) -> None:
    root = tmp_path / "store"
    sha = put(root, b"old")
    path = installed.folder(root) / "service.json"
    path.write_text(json.dumps({"schema": 1, "current": sha, "mode": "systemd", "unknown": 1}))
    assert now(root) == Installed(sha, "systemd")
    for text, status in (('{"schema": 2}', Status.NEWER), ("{", Status.IO), ("[]", Status.IO)):
        path.write_text(text)
        with pytest.raises(Refused) as no:
            installed.read(root)
        assert no.value.status == status
    assert installed.supervisor(root) == 0
