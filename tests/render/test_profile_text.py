"""A profile for the terminal."""

from __future__ import annotations

from typing import Any

from edgeq.profile.table import Row, profiled
from edgeq.render.profile import profile_text

ROWS = [
    Row("PAD", "none of its own", [0], 0, 0, "pad"),
    Row("CONV_2D", "conv_i8", [10_500], 1, 1, "model/some/very/long/name/of/a/layer/Relu;other", 42_000, 10, (3,)),
    Row("FULLY_CONNECTED", "fc_i8", [1_500], 1, 2, "fc", 600, 10),
]


def told(unit: str, whole: int = 12_345, top: int = 0, **facts: Any) -> list[str]:
    table = profiled(ROWS, [whole], {"unit": unit, "how": "emulated", "source": "a clock", **facts}, ["A note."])
    return profile_text(table, "kws on bench", top).splitlines()


def test_times() -> None:
    lines = told("ns", kernels="xnnpack", threads=2)
    head = "kws on bench takes 12.3 us per inference (emulated), 12.0 us in its 2 ops, 345 ns between them"
    assert lines[:2] == [head, "1 run by a clock; xnnpack kernels, 2 threads"]
    assert lines[4].split() == [
        *("1", "CONV_2D", "+3", "...long/name/of/a/layer/Relu", "conv_i8", "10.5", "us", "10.5", "us"),
        *("10.5", "us", "87.5", "%", "42,000", "4.00"),
    ]
    assert lines[-2:] == ["Without a kernel of their own: PAD 0.", "A note."]


def test_what_the_clock_cannot_tell_has_no_figures() -> None:
    lines = told("ns", clock_ns=2000)
    assert lines[5].split() == ["2", "FULLY_CONNECTED", "fc", "fc_i8", "<", "2.00", "us", "600"]


def test_instructions_that_measuring_took() -> None:
    lines = told("instructions", whole=11_900)
    assert lines[0].endswith("12,000 instructions in its 2 ops, 100 instructions of that for measuring them")
    assert "MACs/instr" in lines[2]


def test_the_slowest_and_the_others() -> None:
    lines = told("ns", top=1)
    assert lines[4].split()[:2] == ["1", "CONV_2D"]
    assert lines[5].split() == ["1", "others", "1.50", "us", "12.5", "%"]
