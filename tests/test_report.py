"""Runs told as a report: figures, sentences, and what must never be said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeq.errors import ArtifactError, UsageError
from edgeq.render.words import interval_text
from edgeq.report import EMULATED, points, report, section
from edgeq.results import publish
from edgeq.run import Issue, Run, Series, read_run

CASES = Path(__file__).parent / "cases" / "runs"
PI, LOCAL, METERED = (CASES / f"{name}.json" for name in ("rpi4-emulated", "local-measured", "board-metered"))


def told(run: Run, **release: Any) -> Any:
    return section(replace(run, release={**run.release, **release}), "x")


def test_one_emulated_run() -> None:
    made = report([PI])
    (only,) = made.sections
    assert made.title == "synthetic-digits on pi"
    assert made.verdict == "valid"
    assert only.how == "emulated"
    assert made.headlines == (
        "Golden vectors match (8 vectors, worst difference 1 step, 1 allowed), int8 loses 0.3 points "
        "(95 % interval -0.6 .. 1.1, evaluated on host, 360 samples), p50 1.46 ms (emulated).",
        f"Latency is emulated. {EMULATED}.",
    )
    assert {figure.how for figure in (*only.latency, *only.stages, *only.memory)} == {"emulated"}
    assert only.figure("energy") is None
    assert any("no energy figure: it would need the hardware's latency" in note for note in only.notes)
    assert made.comparison == ()


def counted() -> Run:
    """A run of a board that counts instructions and tells no time."""
    run = read_run(PI)
    memory = [Series(name, "bytes", "emulated", (value,)) for name, value in (("ram", 1320.0), ("arena", 1000.0))]
    steady = Series("instructions", "instructions", "emulated", (4_564_148.0, 4_564_148.0, 4_564_150.0))
    return replace(run, series=(steady, *memory), device={**run.device, "os": None})


def test_a_run_of_instructions_tells_no_time() -> None:
    made = section(counted(), "x")
    assert made.latency == made.stages == ()
    assert [(figure.name, figure.value) for figure in made.instructions] == [
        ("instructions", 4_564_148),
        ("instructions_min", 4_564_148),
        ("instructions_max", 4_564_150),
    ]
    assert {figure.unit for figure in made.figures() if figure.name.startswith("instr")} == {"instructions"}
    assert "4,564,148 instructions (emulated)" in made.headline
    assert [figure.name for figure in made.memory] == ["ram", "arena"]
    assert not any("memory figure" in note for note in made.notes)
    assert {figure.unit for figure in made.figures()} <= {"instructions", "bytes", "fraction"}


def test_figures_follow_from_the_raw_samples() -> None:
    run = read_run(LOCAL)
    invoke = run.one("invoke")
    assert invoke is not None
    ordered = sorted(invoke.values)
    made = section(run, "x")
    figures = {figure.name: figure for figure in made.figures()}
    assert figures["p50"].value == (ordered[99] + ordered[100]) / 2
    assert (figures["p50"].low, figures["p50"].high) == (ordered[85], ordered[114])  # Bin(200, 1/2): ranks 86 and 115
    assert figures["min"].value == ordered[0]
    assert figures["throughput"].value == pytest.approx(200e9 / sum(ordered))
    assert figures["init"].value == 2_310_000
    assert figures["steady"].value == figures["p50"].value
    assert figures["rss_peak"].value == 38_273_024
    assert figures["energy"].error_pct == 60
    assert figures["accuracy"].at == "evaluated on host"
    assert 120 in made.outliers


def test_where_samples_do_not_bound_an_interval_it_is_by_a_bootstrap() -> None:
    run = read_run(METERED)
    figures = {figure.name: figure for figure in section(run, "x").figures()}
    assert not figures["p90"].bootstrap  # 60 samples bound p90 ...
    assert figures["p95"].bootstrap and figures["p99"].bootstrap  # ... and not p95
    assert interval_text(figures["p95"]).endswith(" *")
    few = replace(run, series=(Series("invoke", "ns", "measured", (1.0, 2.0, 3.0)),))
    assert {figure.low for figure in section(few, "x").latency} == {None}


def test_power_is_the_mean_inside_the_gate() -> None:
    power = section(read_run(METERED), "x").figure("power")
    assert power is not None
    assert power.label == "Power inside the gate"
    assert power.value == pytest.approx(2950, abs=20)


def test_runs_side_by_side() -> None:
    made = report([PI, LOCAL, METERED])
    assert made.title == "synthetic-digits on 3 devices"
    assert made.verdict == "degraded"
    assert made.headlines[0].startswith("Golden vectors match in all 3 runs; int8 loses 0.3 points")
    assert made.headlines[1].startswith("synthetic-digits on bench-7 is degraded. Latency drifted")
    assert made.headlines[2] == f"synthetic-digits on pi: latency is emulated. {EMULATED}."
    rows = {row.label: row.cells for row in made.comparison}
    assert [cell and cell.how for cell in rows["p50"]] == ["emulated", "measured", "measured"]
    assert [cell and cell.how for cell in rows["Energy per inference"]] == [None, "estimated", "measured"]
    assert made.remarks == (f"Do not compare emulated with measured latency. {EMULATED}.",)


def test_equal_names_are_told_apart_and_folders_are_read(tmp_path: Path) -> None:
    publish(read_run(LOCAL), tmp_path / "run.json")
    made = report([tmp_path, LOCAL])
    assert [each.label for each in made.sections] == ["synthetic-digits on local", "synthetic-digits on local (2)"]
    assert made.remarks == ()
    assert made.title == "synthetic-digits on local, 2 runs"
    assert made.headlines[0].startswith("Golden vectors match in both runs; int8")


def test_a_folder_that_was_not_written_to_its_end_is_refused(tmp_path: Path) -> None:
    read_run(LOCAL).write(tmp_path / "run.json")
    with pytest.raises(ArtifactError, match="the run is incomplete"):
        report([tmp_path])


def test_many_runs_are_counted_in_the_headlines(tmp_path: Path) -> None:
    paths = []
    for place, drop in enumerate((0.001, 0.002, 0.003)):
        run = read_run(METERED)
        evaluation = {**run.release["evaluation"], "drop": drop}
        paths.append(tmp_path / f"{place}.json")
        issues = (Issue("drifting", "degraded", "x"), Issue("emulated", "info", "x"))
        replace(run, release={**run.release, "evaluation": evaluation}, issues=issues).write(paths[-1])
    made = report(paths)
    assert made.headlines == (
        "Golden vectors match in all 3 runs; quantization costs 0.1 to 0.3 points (evaluated on host).",
        "3 degraded of 3 runs: drifting in 3. x",
    )


def test_a_headline_says_what_valid_figures_say_against_the_model(tmp_path: Path) -> None:
    run = read_run(PI)
    small = replace(
        run, release={**run.release, "fit": {"target": "tiny", "ram": {"needed_bytes": None, "limit_bytes": 1000}}}
    )
    small.write(tmp_path / "small.json")
    assert "Not as it should be: fits." in report([tmp_path / "small.json"]).headlines
    (told,) = (each for each in report([PI, tmp_path / "small.json"]).headlines if each.startswith("Not"))
    assert told == "Not as it should be: fits (synthetic-digits on pi (2))."


def test_nothing_to_report_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no run"):
        report([])


@pytest.mark.parametrize(
    ("golden", "words"),
    [
        (
            {"vectors": 8, "tolerance": 1, "worst": 3},
            "Golden vectors do not match (8 vectors, worst difference 3 steps",
        ),
        ({"vectors": 0, "tolerance": 1, "worst": 0}, "Golden vectors were not checked"),
        ({"vectors": 8, "tolerance": 1, "worst": 0.0}, "Golden vectors match (8 vectors, worst difference 0 steps"),
        (None, "Golden vectors were not checked"),
        ({"vectors": 8, "worst": "none"}, "Golden vectors were not checked"),
        ("odd", "Golden vectors were not checked"),
    ],
)
def test_golden_vectors_in_words(golden: object, words: str) -> None:
    assert told(read_run(PI), golden=golden).headline.startswith(words)


def test_a_gain_is_a_gain_and_no_evaluation_is_said() -> None:
    run = read_run(LOCAL)
    gained = {**run.release["evaluation"], "drop": -0.01, "drop_low": -0.02, "drop_high": 0.0}
    assert "int8 gains 1.0 points (as a loss: 95 % interval -2.0 .. 0.0" in told(run, evaluation=gained).headline
    none = told(run, evaluation=None)
    assert none.accuracy is None
    assert any("built without labelled data" in note for note in none.notes)


def test_another_metric_has_its_own_name_and_unit() -> None:
    run = read_run(LOCAL)
    error = {
        **run.release["evaluation"],
        **{"accuracy": None, "float_accuracy": None, "agreement": None, "title": "mean absolute error"},
        **{"unit": "degrees", "value": 1.25, "float_value": 1.2, "drop": 0.05, "drop_low": 0.01, "drop_high": 0.09},
    }
    section = told(run, evaluation=error)
    assert "loses 0.0500 degrees of mean absolute error (95 % interval 0.0100 .. 0.0900" in section.headline
    assert section.accuracy is not None
    labels = {figure.name: figure.label for figure in section.accuracy.figures}
    assert labels["accuracy"] == "Quantized mean absolute error" and "agreement" not in labels
    f1 = {**run.release["evaluation"], "title": "F1", "unit": "fraction", "value": 0.8, "float_value": 0.81}
    assert "points of F1" in told(run, evaluation={**f1, "accuracy": None}).headline


def test_a_damaged_evaluation_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"local-measured\.json: the evaluation in the run is damaged"):
        told(read_run(LOCAL), evaluation={"samples": 3})


def test_an_empty_run_is_told_without_figures() -> None:
    run = replace(read_run(LOCAL), series=(), release={}, device={}, environment={})
    made = section(run, "x")
    assert list(made.figures()) == []
    assert "there are no latency samples" in made.headline
    assert any("no memory figure" in note for note in made.notes)


def test_a_recording_without_a_count_says_why_there_is_no_energy() -> None:
    run = read_run(METERED)
    power = tuple(series for series in run.series if series.name != "energy")
    assert any("neither when nor how many" in note for note in section(replace(run, series=power), "x").notes)


def test_zero_latency_gives_no_throughput() -> None:
    run = replace(read_run(LOCAL), series=(Series("invoke", "ns", "measured", (0.0, 0.0)),))
    assert section(run, "x").figure("throughput") is None


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.004, "0.4"),
        (-0.0056, "-0.6"),
        (0.0, "0.0"),
        (0.0004, "0.04"),
        (-0.0004, "-0.04"),
        (1e-9, "0.00"),
        (0.5, "50.0"),
    ],
)
def test_points(fraction: float, text: str) -> None:
    assert points(fraction) == text
