"""A start on a port that somebody else may take in between."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.emulate.launch import PORT_TRIES, on_free_port
from edgeq.emulate.state import HOST, Instance
from edgeq.errors import UsageError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        yield int(other.getsockname()[1])


class Start:
    """Fails with these logs, one after the other, and then comes up."""

    def __init__(self, folder: Path, *logs: str) -> None:
        self._log, self._logs = folder / "log", list(logs)
        self.ports: list[int] = []

    def __call__(self, port: int) -> Instance:
        self.ports.append(port)
        if self._logs:
            self._log.write_text(self._logs.pop(0), encoding="utf-8")
            raise UsageError("It did not start.")
        return Instance("pi", "proot", "", f"ssh://edgeq@{HOST}:{port}", None, None, 1, "pi")


def test_the_last_port_is_taken_again_if_it_is_free(tmp_path: Path, taken: int) -> None:
    start = Start(tmp_path)
    assert on_free_port(tmp_path, taken, start).address.endswith(f":{start.ports[0]}")
    assert start.ports[0] != taken
    last = start.ports[0]
    on_free_port(tmp_path, last, start)
    assert start.ports[1] == last


def test_another_port_where_the_first_one_was_lost_in_between(tmp_path: Path) -> None:
    last = Start(tmp_path)
    on_free_port(tmp_path, 0, last)
    start = Start(tmp_path, "qemu: Could not set up host forwarding rule")
    on_free_port(tmp_path, last.ports[0], start)
    assert start.ports[0] == last.ports[0] != start.ports[1]


def test_it_gives_up_after_some_tries(tmp_path: Path) -> None:
    start = Start(tmp_path, *["bind: Address already in use"] * PORT_TRIES)
    with pytest.raises(UsageError, match="did not start"):
        on_free_port(tmp_path, 0, start)
    assert len(start.ports) == PORT_TRIES


@pytest.mark.parametrize("log", ["Illegal instruction", ""])
def test_any_other_failure_is_told_at_once(tmp_path: Path, log: str) -> None:
    (tmp_path / "log").write_text("bind: Address already in use", encoding="utf-8")
    start = Start(tmp_path, log)
    with pytest.raises(UsageError, match="did not start"):
        on_free_port(tmp_path, 0, start)
    assert len(start.ports) == 1
