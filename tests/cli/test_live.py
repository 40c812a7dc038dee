"""What is seen while many devices are at work: plain lines, a table that fits, silence."""

from __future__ import annotations

import io
import sys

import pytest
from agents import until

from edgeq.cli.live import Line, counts, plain_lines, shown, watching
from edgeq.errors import LinkError
from edgeq.host.parallel import DONE, EVERYTHING, FAILED, WAITING, WORKING, Watch, for_each

NAMES = ("pi1", "board")


def play(watch: Watch) -> None:
    watch(0, WORKING, "")
    watch(0, WORKING, "self-test: vector 2")
    watch(1, WORKING, "")
    watch(EVERYTHING, "stopped", "Nothing more is begun.")
    watch(0, DONE, "")
    watch(1, FAILED, "ssh://board refused the connection.")


def test_plain_lines() -> None:
    said: list[str] = []
    play(plain_lines(NAMES, said.append))
    assert said[:2] == ["  pi1    self-test: vector 2", "  Nothing more is begun."]
    assert said[2].startswith("  pi1    done after ") and said[2].endswith("s")
    assert said[3].startswith("  board  failed after ") and said[3].endswith(": ssh://board refused the connection.")


def test_quiet_says_nothing_and_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(NAMES, quiet=True) as watch:
        play(watch)
    assert capsys.readouterr() == ("", "")
    with watching(NAMES) as watch:
        play(watch)
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines()), "\x1b" in err) == ("", 4, False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_table_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    frames: list[str] = []
    with watching(NAMES) as watch:
        play(watch)
        watch(1, FAILED, "a reason that goes on and on " * 5)
        until(lambda: "1 done, 1 failed" in screen.getvalue())
        frames.append(screen.getvalue())
    assert "pi1 " in frames[0] and "board  " in frames[0] and "failed" in frames[0] and "1 done, 1 failed" in frames[0]
    assert "Nothing more is begun." in frames[0]
    assert screen.getvalue().count("\x1b[2K") > 3  # lines are wiped


def lines(*states: str) -> list[Line]:
    return [Line(f"d{number}", state) for number, state in enumerate(states)]


def test_all_lines_where_they_fit_else_those_that_matter() -> None:
    found = lines(DONE, WAITING, FAILED, WORKING, DONE, WORKING)
    assert [line.name for line in shown(found, 6)] == ["d0", "d1", "d2", "d3", "d4", "d5"]
    assert [line.name for line in shown(found, 4)] == ["d3", "d5", "d2", "d0"]
    assert shown(found, 0) == shown(found, -2) == []


def test_counts() -> None:
    assert counts(lines(DONE, WAITING, FAILED, WORKING, DONE, "stopped")) == (
        "2 done, 1 failed, 1 working, 1 stopped, 1 waiting"
    )


def test_a_line_knows_how_long_it_takes() -> None:
    line = Line("x")
    assert line.seconds(9.0) == 0
    line.hear(WORKING, "", 10.0)
    line.hear(WORKING, "half", 12.0)
    assert (line.seconds(13.0), line.note) == (3.0, "half")
    line.hear(DONE, "", 14.0)
    assert line.seconds(99.0) == 4.0


def test_with_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    def action(item: str, _progress: object) -> None:
        raise LinkError(f"{item} is gone.")

    with watching(NAMES) as watch:
        for_each(NAMES, action, watch=watch)
    assert "board  failed after" in capsys.readouterr().err
