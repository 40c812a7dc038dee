"""What is remembered about devices: every contact, whole records only, whoever writes at the same time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgeq.host.paths import home
from edgeq.inventory import all_known, known, seen


def test_a_contact_is_remembered_and_what_served_stays_known() -> None:
    assert known("ssh://pi@one") is None
    seen("ssh://pi@one", digest="ab" * 32, name="digits", state="confirmed")
    first = known("ssh://pi@one")
    assert first and (first.digest, first.name, first.state) == ("ab" * 32, "digits", "confirmed")
    assert first.last_seen.endswith("Z")
    seen("ssh://pi@one")
    assert (again := known("ssh://pi@one")) and again.digest == "ab" * 32
    seen("ssh://pi@one", digest="")
    assert (empty := known("ssh://pi@one")) and (empty.digest, empty.name) == ("", "")


def test_addresses_that_look_alike_as_file_names_are_kept_apart() -> None:
    for address in ("local:a", "local::a", "local:/a", "LOCAL:a", "x" * 200, "x" * 201):
        seen(address, digest=address)
    assert {item.address: item.digest for item in all_known()} == {
        address: address for address in ("local:a", "local::a", "local:/a", "LOCAL:a", "x" * 200, "x" * 201)
    }


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"address": 3, "last_seen": 4}', "\x00\xff"])
def test_a_damaged_record_is_nothing_known_and_is_replaced(text: str) -> None:
    seen("local:")
    (path,) = (home() / "devices").iterdir()
    path.write_bytes(text.encode("latin-1"))
    assert (known("local:"), all_known()) == (None, [])
    seen("local:")
    assert known("local:") is not None


def test_a_folder_that_cannot_be_written_spoils_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEQ_HOME", str(tmp_path / "file"))
    seen("local:")
    assert (known("local:"), all_known()) == (None, [])


def test_threads_and_processes_at_once_lose_no_device() -> None:
    script = "from edgeq.inventory import seen\nfor n in range(60): seen(f'local:{n % 30}', digest=str(n % 30))"
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
    threads = [
        threading.Thread(target=lambda: [seen(f"local:{n}", digest=str(n)) for n in range(30)]) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert {item.address: item.digest for item in all_known()} == {f"local:{n}": str(n) for n in range(30)}
    assert not list((home() / "devices").glob("*.part"))
