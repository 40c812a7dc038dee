"""Baselines: small, the same bytes for the same runs, and as good to compare with as the runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sides import CASES, LOCAL, changed, recorded, series, timed

from edgeq.compare import compare_runs, save_baseline
from edgeq.compare.baseline import MOST, read_side, render, write_baseline
from edgeq.compare.policy import parse_policy
from edgeq.errors import ArtifactError, UsageError
from edgeq.results import publish
from edgeq.run import read_run

LATENCY = parse_policy('[metrics.p50]\nmax_regression = "5%"\nmargin = "1%"', "the test")


def many(n: int) -> list[float]:
    return [float(value) for value in (1e6 * (1 + 0.03 * np.random.default_rng(0).standard_normal(n))).round()]


def test_a_comparison_with_the_baseline_is_one_with_the_runs(tmp_path: Path) -> None:
    runs = [changed(), changed()]
    write_baseline(tmp_path / "baseline.json", runs)
    kept = read_side([tmp_path / "baseline.json"])
    new = [timed(many(200))]
    assert compare_runs(kept, new) == compare_runs(runs, new)


@pytest.mark.parametrize("name", ["local-measured", "board-metered", "rpi4-emulated"])
def test_it_is_small_and_the_same_bytes_and_names_no_device(name: str) -> None:
    run = read_run(CASES / f"{name}.json")
    text = render([run])
    assert text == render([read_run(CASES / f"{name}.json")])
    assert len(text) < 6000
    assert "address" not in text and "ssh://" not in text
    values = next(line for line in text.splitlines() if '"values": [' in line and line.count(",") > 50)
    assert f"{run.one('invoke').values[0]:.0f}, " in values  # type: ignore[union-attr]


def test_many_samples_are_thinned_in_order_and_the_file_says_so(tmp_path: Path) -> None:
    ramp = [1e6 + number for number in range(10_000)]
    write_baseline(tmp_path / "baseline.json", [timed(ramp)])
    assert (tmp_path / "baseline.json").stat().st_size < 16_000
    (kept,) = read_side([tmp_path / "baseline.json"])
    invoke = kept.one("invoke")
    assert invoke is not None and len(invoke.values) == MOST
    assert list(invoke.values) == sorted(invoke.values)
    assert {int(value - 1e6) // 10 for value in invoke.values} == set(range(MOST))  # one of each ten
    assert len({int(value) % 10 for value in invoke.values}) == 10  # and not always the same
    (document,) = json.loads((tmp_path / "baseline.json").read_text(encoding="utf-8"))["runs"]
    assert document["samples"] == {"invoke": 10_000}


def test_a_thinned_baseline_still_finds_and_does_not_invent(tmp_path: Path) -> None:
    base = many(10_000)
    write_baseline(tmp_path / "baseline.json", [timed(base)])
    kept = read_side([tmp_path / "baseline.json"])

    def p50(factor: float) -> str:
        return compare_runs(kept, [timed([value * factor for value in base[::-10]])], LATENCY).metrics[0].status

    assert (p50(1.08), p50(1.0), p50(1.03)) == ("regression", "same", "worse")


def test_the_baseline_of_a_run_is_that_run(tmp_path: Path) -> None:
    write_baseline(tmp_path / "baseline.json", [timed(many(3000))])
    run = timed(many(3000))
    write_baseline(tmp_path / "other.json", [run])
    assert [each.code for each in compare_runs(read_side([tmp_path / "other.json"]), [run]).objections] == ["same_run"]


def test_what_a_meter_and_a_labelled_set_said_is_kept_without_places() -> None:
    energy = {"tier": "T2", "meter": "PPK2 0A1B", "energy_uj": 10.0, "uncertainty_uj": 1.0, "budget": {"gate": 0.5}}
    correctness = {"data": "/home/ada/test.npz", "data_sha256": "d", "samples": 9, "metric": "accuracy", "value": 0.9}
    text = render([changed(energy=energy, correctness={**correctness, "slices": []})])
    assert "ada" not in text and "0A1B" not in text and "budget" not in text
    (document,) = json.loads(text)["runs"]
    assert document["correctness"] == {"data_sha256": "d", "samples": 9, "metric": "accuracy", "value": 0.9}
    assert document["energy"] == {"tier": "T2", "energy_uj": 10.0, "uncertainty_uj": 1.0}


def test_an_invalid_run_is_no_baseline(tmp_path: Path) -> None:
    changed(verdict="invalid").write(tmp_path / "run.json")
    with pytest.raises(UsageError, match="an invalid run is no baseline"):
        save_baseline(tmp_path / "baseline.json", [tmp_path / "run.json"])
    with pytest.raises(UsageError, match="made of runs"):
        save_baseline(tmp_path / "baseline.json", [])


def test_sides_are_files_folders_and_baselines(tmp_path: Path) -> None:
    publish(recorded(), tmp_path / "bench" / "run.json")
    write_baseline(tmp_path / "baseline.json", [changed(), changed()])
    assert len(read_side([tmp_path / "bench", LOCAL, tmp_path / "baseline.json"])) == 4
    (tmp_path / "bench" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="incomplete"):
        read_side([tmp_path / "bench"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 9}, "schema 9 is newer"),
        ({"runs": []}, "holds no runs"),
        ({"runs": [{}]}, "the baseline is damaged: KeyError"),
        ({"runs": 3}, "the baseline is damaged: TypeError"),
        ({"kind": "other"}, "this is not a run"),
    ],
)
def test_what_is_no_baseline(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps({**json.loads(render([recorded()])), **change}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=message):
        read_side([path])


def test_damaged_values(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    run = changed(series=[series("invoke", [1.0, 2.0])])
    changes = ("[1, 2]", "[1, NaN]"), ('"valid"', '"fine"'), ('"how": "measured"', '"how": "guessed"')
    for damaged in (render([run]).replace(*change) for change in changes):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(ArtifactError, match="damaged"):
            read_side([path])
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_side([path])
