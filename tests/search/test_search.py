"""Searches on a small model: here, on a real Dask cluster, stopped and gone on with, and with a trial that crashes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import smallnet

from edgeq.errors import LinkError, UsageError
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import as_samples
from edgeq.search import pool as pools
from edgeq.search.pool import Processes
from edgeq.search.search import Found, Plan, material, may_keep, search
from edgeq.search.trial import Material, Result, run
from edgeq.target import load_target

MODES = ("static_wi8_ai8", "static_wi8_ai16", "static_wi4_ai8", "dynamic_wi8_afp32", "float32")


@pytest.fixture(scope="module")
def given() -> Material:
    labels = np.random.default_rng(5).integers(0, 3, 30)
    target = load_target("rpi4")
    few = replace(target, runtime=replace(target.runtime, modes=MODES))
    return material(smallnet.model(), as_samples(smallnet.samples(30)), labels, few, lambda _: None)


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("searches")


@pytest.fixture(scope="module")
def here(given: Material, searches: Path) -> Found:
    """What a search on this machine finds; its ledger is in `searches`."""
    return search(given, Plan(5.0, folder=searches))


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


def test_a_few_samples_do_not_rule_out_what_one_more_would_not() -> None:
    assert may_keep(100 / 33, 0.5, 33) and may_keep(-3, 0, 33) and may_keep(0, 0, 33)
    assert not may_keep(100 / 33, 0.5, 3300) and not may_keep(20, 3, 33)


def test_a_search_finds_what_fits_and_goes_on_where_it_was(given: Material, here: Found, searches: Path) -> None:
    assert here.complete and not here.resumed
    assert {result.recipe.mode for result in here.results} == set(given.target.runtime.modes)
    mixed = {(each.recipe.mode, each.recipe.overrides[0].mode) for each in here.results if each.recipe.overrides}
    assert mixed == {("static_wi8_ai8", "static_wi4_ai8"), ("static_wi8_ai8", "static_wi8_ai16")}
    repaired = {each.recipe.mode for each in here.results if each.recipe.repairs}
    assert repaired == {"static_wi8_ai8", "static_wi8_ai16", "static_wi4_ai8"}
    assert all(may_keep(result.loss, 5, len(given.answers)) and not result.error for result in here.candidates)
    again = search(given, Plan(5.0, folder=searches, prefer="size"))
    assert again.resumed == len(here.results) and again.results == here.results
    sizes = [result.size_bytes for result in again.candidates]
    assert sizes == sorted(sizes) and set(sizes) == {result.size_bytes for result in here.candidates}


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


_KILLED = """
import os, time
from edgeq.search import pool
from edgeq.search.trial import Result

def slow(recipe):
    print(os.getpid(), flush=True)
    time.sleep(60)
    return Result(recipe)

if __name__ == "__main__":
    from edgeq.quantize.recipe import Recipe

    pool._run_held = slow
    with pool.Processes(None, 1) as opened:
        list(opened.results([Recipe()], float("inf")))
"""


_STOPPED = """
from edgeq.search import pool

if __name__ == "__main__":
    from edgeq.quantize.recipe import Recipe

    try:
        with pool.Processes(None, 2) as opened:
            print("begun", flush=True)
            list(opened.results([Recipe(), Recipe("float16")], float("inf")))
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as a POSIX terminal does")
def test_processes_that_are_starting_say_nothing_of_an_interrupt(tmp_path: Path) -> None:
    (tmp_path / "stopped.py").write_text(_STOPPED)
    command, pipe = [sys.executable, str(tmp_path / "stopped.py")], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("stopped\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="processes are asked after as POSIX does")
def test_trials_end_with_a_search_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(_KILLED)
    with subprocess.Popen([sys.executable, str(tmp_path / "killed.py")], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        trial = int(process.stdout.readline())
        process.kill()
    for _ in range(200):
        try:
            os.kill(trial, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(trial, 9)
    pytest.fail("the trial goes on without its search")


@pytest.fixture
def cluster() -> Iterator[str]:
    """A real Dask scheduler with two workers on this machine."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    quiet = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__DASHBOARD__ENABLED": "False"}
    dask = [sys.executable, "-m", "dask"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": quiet}
    begun = [subprocess.Popen([*dask, "scheduler", "--host", address, "--no-dashboard"], **silent)]  # type: ignore[call-overload]
    for _ in range(2):
        command = [*dask, "worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
        begun.append(subprocess.Popen(command, **silent))  # type: ignore[call-overload]
    try:
        yield address
    finally:
        for process in reversed(begun):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_dask_gives_the_same_results(given: Material, here: Found, cluster: str) -> None:
    from distributed import Client

    with Client(cluster, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    there = search(given, Plan(5.0, scheduler=cluster))
    assert there == here and there.complete


def test_a_scheduler_that_is_not_there_is_told(given: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr(pools, "CONNECT_S", 0.5)
    with pytest.raises(LinkError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        search(given, Plan(5.0, scheduler="tcp://127.0.0.1:9"))


def test_what_cannot_be_searched_is_told(given: Material) -> None:
    with pytest.raises(UsageError, match="needs 6 representative samples"):
        material(given.model, as_samples(smallnet.samples(5)), None, given.target, lambda _: None)
    with pytest.raises(UsageError, match="'nonsense' is no address of a Dask scheduler"):
        Plan(5.0, scheduler="nonsense")
    with pytest.raises(UsageError, match="cannot prefer 'beauty'"):
        Plan(1.0, prefer="beauty")
