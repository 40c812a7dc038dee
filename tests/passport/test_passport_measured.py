from __future__ import annotations

from typing import Any

from edgeq.passport.measured import figures

DOCUMENT: dict[str, Any] = {
    "samples": 200,
    "metric": "f1",
    "title": "F1 (macro)",
    "value": 0.89,
    "float_value": 0.9,
    "drop": 0.01,
    "drop_low": -0.01,
    "drop_high": 0.03,
    "confidence": 0.95,
    "method": "paired bootstrap, 10000 resamples, seed 0",
    "accuracy": 0.91,
    "float_accuracy": 0.92,
    "agreement": 0.97,
    "calibration_error": {"value": 0.04, "float_value": 0.03, "method": "15 bins", "probabilities": "outputs"},
    "sqnr_db": 31.5,
    "sqnr_of": "logits",
    "evaluated_on": "host",
}
SLICE = {"by": "place", "slice": "night", "samples": 30, "metric": "f1", "float_value": 0.8, "value": 0.6, "drop": 0.2}


def test_every_figure_says_how_it_was_obtained() -> None:
    found = {figure.name: figure for figure in figures(DOCUMENT)}
    assert found["F1 (macro), float"].value == 0.9
    assert found["accuracy, quantized"].value == 0.91
    assert found["agreement of both models"].how == "measured on the host"
    assert found["SQNR of the logits, dB"].how == "measured on the host, against float"
    assert found["expected calibration error, float"].how == "measured on the host; 15 bins"
    lost = found["F1 (macro), lost"]
    assert (lost.value, lost.low, lost.high, lost.samples) == (0.01, -0.01, 0.03, 200)
    assert lost.how == "measured on the host; 95 % interval by paired bootstrap, 10000 resamples, seed 0"


def test_accuracy_is_told_once() -> None:
    found = figures({**DOCUMENT, "metric": "accuracy", "title": "accuracy"})
    assert len({figure.name for figure in found}) == len(found)


def test_what_compares_with_nothing_is_left_out() -> None:
    missing = ("float_value", "float_accuracy", "agreement", "drop", "drop_low", "drop_high", "sqnr_db")
    alone = {**DOCUMENT, **dict.fromkeys((*missing, "calibration_error"))}
    assert [figure.name for figure in figures(alone)] == ["F1 (macro), quantized", "accuracy, quantized"]
    assert figures(None) == []


def test_slices_are_told_apart() -> None:
    found = [figure for figure in figures({**DOCUMENT, "slices": [SLICE, "x", None]}) if figure.slice]
    assert [(figure.slice, figure.samples) for figure in found] == [("place 'night'", 30)] * 3
    assert found[0].name == "F1 (macro), float"
    within = {**SLICE, "metric": "accuracy"}
    assert {figure.name for figure in figures({"metric": "f1", "slices": [within]})} == {
        *("accuracy, float", "accuracy, quantized", "accuracy, lost")
    }


def test_nonsense_is_left_out() -> None:
    assert figures({"value": "high", "drop": None, "samples": -1, "slices": {"a": 1}, "calibration_error": []}) == []
    (half,) = figures({"drop": 0.5, "drop_low": 0.1, "drop_high": "x"})
    assert (half.low, half.high) == (None, None)
