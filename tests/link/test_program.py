"""A child process as a link."""

from __future__ import annotations

import sys
import time

import pytest

from edgeq.errors import LinkError, LinkTimeout
from edgeq.link.program import ProgramLink

ECHO = "import os\nwhile data := os.read(0, 65536): os.write(1, data)"


def running(code: str) -> ProgramLink:
    return ProgramLink([sys.executable, "-c", code], "local:")


def test_bytes_pass_both_ways_more_than_a_pipe_holds() -> None:
    link = running("import sys\ndata = sys.stdin.buffer.read(1 << 20)\nsys.stdout.buffer.write(data)")
    data = bytes(range(256)) * 4096
    link.send(data, 10)
    found = b""
    while len(found) < len(data):
        found += link.receive(10)
    assert found == data
    link.close()


def test_waiting_ends_in_time() -> None:
    link = running("import time; time.sleep(60)")
    with pytest.raises(LinkTimeout, match=r"local: sent nothing for 0\.05 s"):
        link.receive(0.05)
    with pytest.raises(LinkTimeout, match=r"local: took no bytes for 0\.05 s"):
        link.send(bytes(1 << 20), 0.05)
    link.close()


def test_the_last_words_of_a_program_that_ends() -> None:
    link = running("import sys; sys.exit('no runtime\\x1b here')")
    with pytest.raises(LinkError, match=r"^The program behind local: ended with exit code 1: no runtime\? here\.$"):
        link.receive(10)
    assert link.code == 1
    link.close()
    assert b"no runtime" in link.stderr


def test_sending_to_a_program_that_has_ended_or_was_killed() -> None:
    link = running("")
    while link.code is None:
        time.sleep(0.01)
    with pytest.raises(LinkError, match="ended with exit code 0"):
        link.send(b"x", 10)
    link.close()
    link = running("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(LinkError, match="ended by a signal"):
        link.receive(10)
    link.close()


def test_closing_ends_the_program_and_may_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.link.program.CLOSE_S", 0.1)
    for code in (ECHO, "import time; time.sleep(60)"):
        link = running(code)
        link.close()
        link.close()
        assert link.code is not None
        for use in (lambda link=link: link.send(b"x", 1), lambda link=link: link.receive(1)):
            with pytest.raises(LinkError, match="is closed"):
                use()


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(LinkError, match="/no/such/program did not start"):
        ProgramLink(["/no/such/program"], "local:")
