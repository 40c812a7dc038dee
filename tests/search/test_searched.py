"""Builds by search: what is built keeps the floor on data that no trial has seen, and what cannot be is told."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import smallnet

from edgeq import searched
from edgeq.build import build
from edgeq.building.materials import UNDECLARED
from edgeq.errors import FitError, GateFailed, UsageError
from edgeq.quantize.outputs import Runner
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.samples import as_samples
from edgeq.search.search import Found, Plan
from edgeq.search.trial import Result
from edgeq.searched import Job, build_searched, ladder
from edgeq.target import load_target


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "small.tflite").write_bytes(smallnet.model())
    x = smallnet.samples(60)
    y = Runner(smallnet.model()).answers(as_samples(x)).argmax(axis=1)
    np.savez(tmp_path / "cal.npz", x=x[:30], y=y[:30])
    np.savez(tmp_path / "eval.npz", x=x[30:], y=y[30:])
    model, out = tmp_path / "small.tflite", tmp_path / "out"
    return Job(model, tmp_path / "cal.npz", tmp_path / "eval.npz", UNDECLARED, None, None, out, "small")


def test_what_is_built_keeps_the_floor_on_the_evaluation_set(job: Job) -> None:
    (found,) = build_searched(job, [load_target("mps2-an386")], Plan(4.0))
    evaluation = found.built.bundle.manifest["evaluation"]
    assert evaluation["drop"] * 100 <= 4
    assert found.recipe.modes == ("static_wi8_ai8",)
    told = json.loads((job.out / "small-mps2-an386.search.json").read_text())
    assert told["confirmed"][-1] == {"recipe": found.recipe.sha256, "failed": ""}


def test_a_build_goes_on_from_the_float_model_that_was_searched(job: Job) -> None:
    searched_model = smallnet.model(seed=12)
    (built,) = build(job.model, [load_target("mps2-an386")], job.data, out=job.out, float_model=searched_model)
    assert built.bundle.manifest["model"]["float_sha256"] == hashlib.sha256(searched_model).hexdigest()


def test_without_a_recipe_that_keeps_the_floor_nothing_is_built(job: Job) -> None:
    with np.load(job.data) as data:
        np.savez(job.data, x=data["x"] * 1e-4, y=data["y"])  # ranges in which nothing of the evaluation set fits
    with pytest.raises(
        GateFailed, match=r"No recipe for mps2-an386 loses 0 points.* tried on the evaluation set"
    ) as told:
        build_searched(job, [load_target("mps2-an386")], Plan(0.0))
    assert "finetune" in told.value.hint and not list(job.out.glob("small-*"))


def test_what_cannot_be_judged_or_built_is_told_before_the_search(job: Job) -> None:
    target, said = load_target("mps2-an386"), list[str]()
    np.savez(job.eval_data, x=smallnet.samples(5))
    with pytest.raises(UsageError, match=r"eval\.npz"):
        build_searched(job, [target], Plan(4.0), progress=said.append)
    with pytest.raises(UsageError, match="No mode of edgeq-micro on mps2-an386 has int16 inputs"):
        build_searched(job, [target], Plan(4.0, io="int16"), progress=said.append)
    assert not any("searching" in stage for stage in said) and not job.out.exists()


def test_why_there_is_no_candidate_is_told() -> None:
    target, plan = load_target("mps2-an386"), Plan(1.0)
    large, lossy = Result(Recipe(), error="It needs 9 MB of RAM."), Result(Recipe(), 100, 20.0, 3.5)
    with pytest.raises(FitError, match="No recipe for mps2-an386 gives a model that fits: It needs 9 MB"):
        searched._require_candidates(Found((large,), (), (), True, 0), target, plan)
    with pytest.raises(GateFailed, match=r"held-back calibration samples\. The closest, static_wi8_ai8, loses 3\.5"):
        searched._require_candidates(Found((large, lossy), (), (), True, 0), target, plan)
    with pytest.raises(GateFailed, match="The time was over before") as told:
        searched._require_candidates(Found((), (), (), False, 0), target, plan)
    assert "--search-minutes" in told.value.hint


def test_each_candidate_that_is_evaluated_is_quieter_than_those_before() -> None:
    made = Result(Recipe(), 100)
    ranked = [
        replace(made, size_bytes=place, sqnr_db=db) for place, db in enumerate((20, 19, 20.5, 24, 23, 26, 31, 30))
    ]
    assert [each.sqnr_db for each in ladder(ranked, 5)] == [20, 24, 26, 31]
    assert [each.sqnr_db for each in ladder(ranked, 2)] == [20, 31]
    assert ladder([], 5) == []
