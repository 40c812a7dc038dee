"""Plots: well-formed, inside their box, faithful to their data."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from edgeq.render import svg

positive = st.floats(1e-6, 1e12)
samples = st.lists(positive, min_size=1, max_size=80)


def parse(text: str) -> ET.Element:
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert root[0].tag == "title"
    assert "nan" not in text
    assert "inf" not in re.sub(r"[a-z ]+inf[a-z/ ]+", "", text.replace("info", ""))
    return root


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9), st.integers(2, 9))
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    high = low + span
    if high <= low:
        return
    found = svg.ticks(low, high, most)
    assert len(found) <= most + 1
    slack = 1e-6 * max(abs(low), abs(high), span)
    assert all(low - slack <= tick <= high + slack for tick in found)


def test_ticks_of_known_ranges() -> None:
    assert svg.ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert svg.ticks(0.3, 1.1, 4) == [0.4, 0.6, 0.8, 1.0]
    assert svg.ticks(5, 5) == [5]
    assert svg.ticks(0, math.inf) == [0]


@given(samples, st.integers(1, 40))
def test_histogram_counts_every_sample(values: list[float], bins: int) -> None:
    root = parse(svg.histogram(values, bins, [("p50", values[0])], "measured", "ms", "t"))
    boxes = list(root.iter("rect"))
    assert 1 <= len(boxes) <= bins
    for box in boxes:
        assert float(box.get("x", "")) >= svg.LEFT - 1
        assert float(box.get("x", "")) + float(box.get("width", "")) <= svg.WIDTH
    assert f"{len(values)} samples" in root.get("aria-label", "")


def test_histogram_heights_are_proportional() -> None:
    root = parse(svg.histogram([1, 1, 1, 1, 2, 2], 2, [], "measured", "ms", "t"))
    first, second = (float(item.get("height", "")) for item in root.iter("rect"))
    assert math.isclose(first, 2 * second, rel_tol=0.01)


@given(samples, samples)
def test_trace_draws_every_sample_in_order(warmup: list[float], steady: list[float]) -> None:
    root = parse(svg.trace(warmup, steady, steady[0], [0], "emulated", "ms", "t"))
    found = [item for item in root.iter("circle") if "dot" in item.get("class", "")]
    assert len(found) == len(warmup) + len(steady)
    x = [float(item.get("cx", "")) for item in found]
    assert x == sorted(x)
    assert len([item for item in root.iter("circle") if item.get("class") == "ring"]) == 1


def test_a_long_trace_keeps_its_peaks_and_stays_small() -> None:
    values = [1.0] * 50_000
    values[31_337] = 9.0
    text = svg.trace([], values, 1.0, [], "measured", "ms", "t")
    assert len(text) < 40_000
    tops = [float(top) for top in re.findall(r"V([\d.]+)", text)]
    assert len({round(top) for top in tops}) == 2
    assert min(tops) < 40


@given(st.lists(st.tuples(st.floats(0, 1e9), st.sampled_from(("measured", "emulated"))), min_size=1, max_size=6))
def test_bars_start_at_zero_and_fit(rows: list[tuple[float, str]]) -> None:
    items = [svg.Item("a", value, "x", how) for value, how in rows]
    found = list(parse(svg.bars(items, "t", "ms")).iter("rect"))
    assert len(found) == len(items)
    assert all(float(box.get("width", "")) <= svg.WIDTH - 100 for box in found)


@given(st.floats(-100, 100), st.floats(0, 50), st.floats(0, 50))
def test_dots_stay_inside(value: float, below: float, above: float) -> None:
    item = svg.Item("a", value, "x", "measured", value - below, value + above)
    root = parse(svg.dots([item], "t", "points", zero="no loss"))
    (dot,) = root.iter("circle")
    assert 0 <= float(dot.get("cx", "")) <= svg.WIDTH


def test_line_shades_its_windows() -> None:
    root = parse(svg.line([0, 1, 2, 3], [1, 5, 5, 1], [(0.5, 2.5)], "measured", "mW", "t"))
    (shade,) = root.iter("rect")
    width = (svg.WIDTH - svg.RIGHT - svg.LEFT) * 2 / 3
    assert math.isclose(float(shade.get("width", "")), width, abs_tol=0.1)


def test_words_are_escaped() -> None:
    item = svg.Item("<script>", 1, '"&', "measured")
    for text in (svg.bars([item], "<b>", "ms"), svg.dots([item], "<b>", "<i>", "<u>")):
        assert parse(text)[0].text == "<b>"
        assert "<script" not in text
