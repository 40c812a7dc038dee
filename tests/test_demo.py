"""The demo: what it says while it works. The line that it walks is walked by tests/test_line.py."""

from __future__ import annotations

from edgeq import demo


def test_progress_that_counts_is_told_now_and_then() -> None:
    lines: list[str] = []
    say = demo._Stages(lines.append)
    say("bench: local:")
    for done in range(50):
        say.detail(f"measuring: inference {done} of 50")
    say.detail("measuring: finishing")
    say.detail("measuring: finishing")
    assert [line.partition("  ")[2].strip() for line in lines[1:]] == [
        "measuring: inference 0 of 50",
        *["measuring: finishing"] * 2,
    ]
