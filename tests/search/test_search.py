"""Searches on a small model: here, on a real Dask cluster, stopped and gone on with, and with a trial that crashes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tinymodel

from edgeq.errors import GateFailed, LinkError, UsageError
from edgeq.materials import UNDECLARED
from edgeq.quantize.convert import convert
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import as_samples
from edgeq.search import pool as pools
from edgeq.search.pool import Processes
from edgeq.search.search import Plan, material, search
from edgeq.search.trial import Material, Result, run
from edgeq.searched import Job, build_searched
from edgeq.target import load_target


@pytest.fixture(scope="module")
def given() -> Material:
    draw = np.random.default_rng(5)
    model = tinymodel.converted().float_model
    labels = draw.integers(0, 3, 30)
    return material(model, as_samples(tinymodel.samples(30)), labels, load_target("rpi4"), lambda _: None)


def test_ranges_come_from_other_samples_than_figures(given: Material) -> None:
    (fitting,), (held,) = given.fitting, given.held
    assert (len(fitting), len(held)) == (20, 10)
    assert not {row.tobytes() for row in fitting} & {row.tobytes() for row in held}
    assert given.labels is not None and len(given.labels) == 10 and given.answers.shape == (10, 3)
    assert given.sha256 != replace(given, held=(held + 1,)).sha256


def test_a_trial_tells_what_a_recipe_gives_or_why_not(given: Material) -> None:
    good = run(given, Recipe())
    assert not good.error and good.size_bytes > 1000 and 15 < good.sqnr_db < 80 and good.work > 0
    assert run(given, Recipe()) == good
    assert run(given, Recipe("float32")).sqnr_db > good.sqnr_db
    wide = run(replace(given, target=load_target("mps2-an386")), Recipe("static_wi8_ai16"))
    assert "not static_wi8_ai16" in wide.error


def test_a_search_finds_what_fits_and_goes_on_where_it_was(given: Material, tmp_path: Path) -> None:
    plan = Plan(5.0, folder=tmp_path, prefer="size")
    found = search(given, plan)
    assert found.complete and not found.resumed
    modes = {result.recipe.mode for result in found.results}
    assert set(given.target.runtime.modes) == modes
    assert any(result.recipe.overrides for result in found.results)
    assert any(result.recipe.repairs for result in found.results)
    assert all(result.loss <= 5 and not result.error for result in found.candidates)
    sizes = [result.size_bytes for result in found.candidates]
    assert sizes == sorted(sizes)
    again = search(given, plan)
    assert again.resumed == len(found.results) and again.results == found.results


def test_the_time_budget_ends_a_search_with_what_there_is(given: Material) -> None:
    found = search(given, Plan(5.0, minutes=0.0))
    assert not found.complete and not found.results


def test_a_trial_that_crashes_costs_itself_alone(given: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_run_held", _crashing)
    with Processes(given, 2) as pool:
        recipes = [Recipe(), Recipe("float16"), Recipe("float32"), Recipe("dynamic_wi8_afp32")]
        results = {each.recipe: each for each in pool.results(recipes, time.monotonic() + 120)}
    assert set(results) == set(recipes)
    assert [mode.mode for mode, each in results.items() if each.error == pools.CRASHED] == ["float16"]


def _crashing(recipe: Recipe) -> Result:
    if recipe.mode == "float16":
        os.kill(os.getpid(), 11)
    return Result(recipe, 1)


@pytest.fixture
def cluster() -> Iterator[str]:
    """A real Dask scheduler with two workers on this machine."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    address = "tcp://127.0.0.1:38786"
    quiet = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__DASHBOARD__ENABLED": "False"}
    dask = [sys.executable, "-m", "dask"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": quiet}
    begun = [subprocess.Popen([*dask, "scheduler", "--host", address, "--no-dashboard"], **silent)]  # type: ignore[call-overload]
    for _ in range(2):
        command = [*dask, "worker", address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard"]
        begun.append(subprocess.Popen(command, **silent))  # type: ignore[call-overload]
    try:
        yield address
    finally:
        for process in reversed(begun):
            process.terminate()
        for process in begun:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.mark.slow
def test_dask_gives_the_same_results(given: Material, cluster: str) -> None:
    from distributed import Client

    here = search(given, Plan(5.0))
    with Client(cluster, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    there = search(given, Plan(5.0, scheduler=cluster))
    assert there == here and here.complete


def test_a_scheduler_that_is_not_there_is_told(given: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr(pools, "CONNECT_S", 0.5)
    with pytest.raises(LinkError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        search(given, Plan(5.0, scheduler="tcp://127.0.0.1:9"))


def test_what_cannot_be_searched_is_told(given: Material) -> None:
    with pytest.raises(UsageError, match="needs 6 representative samples"):
        material(given.model, as_samples(tinymodel.samples(5)), None, given.target, lambda _: None)
    with pytest.raises(UsageError, match="cannot prefer 'beauty'"):
        Plan(1.0, prefer="beauty")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    model = tmp_path / "tiny.tflite"
    model.write_bytes(tinymodel.converted().float_model)
    x = tinymodel.samples(60)
    float_model = convert(model, None, recipe=Recipe("float32")).model
    from edgeq.evaluate.predict import Variant, predict
    from edgeq.model.describe import describe
    from edgeq.model.tflite import read_model

    y = predict(Variant(float_model, describe(read_model(float_model))), x).argmax(axis=1)
    np.savez(tmp_path / "cal.npz", x=x[:30], y=y[:30])
    np.savez(tmp_path / "eval.npz", x=x[30:], y=y[30:])
    return Job(model, tmp_path / "cal.npz", tmp_path / "eval.npz", UNDECLARED, None, None, tmp_path / "out", "tiny")


def test_what_is_built_keeps_the_floor_on_the_evaluation_set(job: Job) -> None:
    (found,) = build_searched(job, [load_target("mps2-an386")], Plan(4.0))
    evaluation = found.built.bundle.manifest["evaluation"]
    assert evaluation["drop"] * 100 <= 4
    assert found.recipe.modes == ("static_wi8_ai8",)
    assert (job.out / "tiny-mps2-an386.search.json").is_file() and found.confirmed[-1][1] == ""


def test_without_a_recipe_that_keeps_the_floor_nothing_is_built(job: Job) -> None:
    with np.load(job.data) as data:
        np.savez(job.data, x=data["x"] * 1e-4, y=data["y"])  # ranges in which nothing of the evaluation set fits
    with pytest.raises(GateFailed, match="No recipe for mps2-an386 loses 0 points"):
        build_searched(job, [load_target("mps2-an386")], Plan(0.0))
    assert not list(job.out.glob("tiny-*"))
