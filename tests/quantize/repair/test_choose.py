from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from floatnets import FloatNet, answers, samples

from edgeq.cli.repairing import tell_repair
from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.outputs import sqnr_db
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.choose import FEWEST, Measured, choose, parts
from edgeq.quantize.samples import as_samples
from edgeq.repair import Repaired


def test_imbalance_is_found_and_repaired_the_same_way_every_time() -> None:
    model, x, held = FloatNet(3, "cdc", imbalance=2.0).model, samples(16), samples(16, seed=9)
    recipe, evidence = choose(model, as_samples(x), Recipe())
    assert set(recipe.repairs) & {"equalize", "equalize-activations"}
    assert evidence.after_db > evidence.before_db + 6
    assert (recipe, evidence) == choose(model, as_samples(x), Recipe())
    wanted = answers(model, held)
    before, after = (
        sqnr_db(wanted, answers(quantize(model, as_samples(x), each), held)) for each in (Recipe(), recipe)
    )
    assert after > before + 3


def test_outliers_are_named_and_take_no_part() -> None:
    model, x = FloatNet(3, "cc").model, samples(60)
    x[[7, 31]] *= 20
    named = replace(as_samples(x), title=lambda index: f"clip {index}")
    recipe, evidence = choose(model, named, Recipe())
    assert evidence.left_out == ("clip 7", "clip 31")
    assert recipe.ranges.method != "min-max"
    held = samples(20, seed=9)
    wanted = answers(model, held)
    before, after = (
        sqnr_db(wanted, answers(quantize(model, as_samples(x), each), held)) for each in (Recipe(), recipe)
    )
    assert after > before + 10


def test_it_never_ends_below_its_beginning_and_says_why() -> None:
    _, evidence = choose(FloatNet(5, "c").model, as_samples(samples(12)), Recipe())
    assert evidence.after_db >= evidence.before_db
    best = evidence.before_db
    for trial in evidence.trials:
        assert trial.before_db == pytest.approx(best)
        if trial.kept:
            assert trial.after_db is not None
            best = trial.after_db
    assert best == pytest.approx(evidence.after_db)
    assert evidence.to_json()["trials"][0]["what"].startswith("ranges: ")


def test_too_few_samples_change_nothing() -> None:
    recipe, evidence = choose(FloatNet(5, "c").model, as_samples(samples(FEWEST - 1)), Recipe())
    assert recipe == Recipe() and not evidence.trials


def test_one_sample_alone_gains_less_than_all_together() -> None:
    signals, errors = np.ones(10), np.full(10, 0.01)
    one = errors.copy()
    one[0] = 1e-4
    assert Measured(signals, errors / 2).better_than(Measured(signals, errors))
    assert Measured(signals, errors).db == pytest.approx(20)
    assert Measured(signals, one).db < Measured(signals, errors / 2).db


def test_parts_hold_every_sample_once_and_each_label() -> None:
    labels = [0, 1, 2] * 6
    found = parts(18, 3, labels, seed=1)
    assert sorted(place for part in found for place in part) == list(range(18))
    assert all(sorted(labels[place] for place in part) == [0, 0, 1, 1, 2, 2] for part in found)
    assert found == parts(18, 3, labels, seed=1) != parts(18, 3, labels, seed=2)


def test_what_is_kept_without_a_gain_says_why() -> None:
    trials = [
        {"what": what, "before_db": 37.9, "after_db": after, "kept": True} for what, after in (("a", 39.0), ("b", 37.4))
    ]
    evidence = {"trials": trials, "samples": 10, "before_db": 37.9, "after_db": 37.4, "left_out": ()}
    gained, judged = tell_repair(Repaired(Recipe(), evidence)).splitlines()[1:]
    assert gained.endswith("39.0 dB") and "so few samples cannot judge it" in judged
