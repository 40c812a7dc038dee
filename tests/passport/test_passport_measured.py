from __future__ import annotations

from typing import Any

from edgeq.passport.measured import figures

DOCUMENT: dict[str, Any] = {
    "samples": 200,
    "float_accuracy": 0.9,
    "accuracy": 0.89,
    "agreement": 0.97,
    "drop": 0.01,
    "drop_low": -0.01,
    "drop_high": 0.03,
    "confidence": 0.95,
    "method": "paired bootstrap, 10000 resamples, seed 0",
    "evaluated_on": "host",
}


def test_every_figure_says_how_it_was_obtained() -> None:
    found = {figure.name: figure for figure in figures(DOCUMENT)}
    assert found["accuracy, float"].value == 0.9
    assert found["agreement of both models"].how == "measured on the host"
    drop = found["accuracy, float minus quantized"]
    assert (drop.value, drop.low, drop.high, drop.samples) == (0.01, -0.01, 0.03, 200)
    assert drop.how == "measured on the host; 95 % interval by paired bootstrap, 10000 resamples, seed 0"


def test_what_compares_with_nothing_is_left_out() -> None:
    alone = {**DOCUMENT, **dict.fromkeys(("float_accuracy", "agreement", "drop", "drop_low", "drop_high"))}
    assert [figure.name for figure in figures(alone)] == ["accuracy, quantized"]
    assert figures(None) == []


def test_slices_are_told_apart() -> None:
    entry = {"name": "night", "samples": 30, "float_accuracy": 0.8, "accuracy": 0.6, "drop": 0.2}
    found = [figure for figure in figures({**DOCUMENT, "slices": [entry, "x", None]}) if figure.slice]
    assert [(figure.slice, figure.samples) for figure in found] == [("night", 30)] * 3


def test_nonsense_is_left_out() -> None:
    assert figures({"accuracy": "high", "drop": None, "samples": -1, "slices": {"a": 1}}) == []
