from __future__ import annotations

import numpy as np
import pytest
from floatnets import FloatNet, answers, samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.quantize.engine.pipeline import quantize
from edgeq.quantize.engine.statistics import observe
from edgeq.quantize.outputs import sqnr_db
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.channels import families, scale
from edgeq.quantize.repair.equalize import equalize
from edgeq.quantize.repair.equalize_activations import equalize_activations
from edgeq.quantize.repair.net import Net
from edgeq.quantize.samples import as_samples

KINDS = st.text("cdpzr", min_size=1, max_size=6)
SLOW = (HealthCheck.too_slow,)


@settings(max_examples=25, suppress_health_check=SLOW)
@given(seed=st.integers(0, 1000), kinds=KINDS, act=st.sampled_from(["NONE", "RELU", "RELU6", "TANH"]))
def test_what_a_model_computes_does_not_change(seed: int, kinds: str, act: str) -> None:
    model = FloatNet(seed, kinds, act, imbalance=1.0).model
    wanted = answers(model)
    close = 1e-4 * np.abs(wanted).max()
    assert np.allclose(answers(equalize(model)), wanted, atol=close)
    seen = observe(model, as_samples(samples()))
    assert np.allclose(answers(equalize_activations(model, seen)), wanted, atol=close)


@settings(max_examples=25, suppress_health_check=SLOW)
@given(seed=st.integers(0, 1000), kinds=KINDS)
def test_any_factors_of_any_family_leave_the_answers(seed: int, kinds: str) -> None:
    model = FloatNet(seed, kinds).model
    net = Net(model)
    draws = np.random.default_rng(seed)
    for family in families(net):
        scale(net, family, np.exp(draws.normal(size=family.size)))
    wanted = answers(model)
    assert np.allclose(answers(net.pack()), wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(("act", "count"), [("RELU", 3), ("NONE", 3), ("RELU6", 0)])
def test_a_chain_is_a_family_for_each_gap_unless_a_limit_is_in_the_way(act: str, count: int) -> None:
    assert len(families(Net(FloatNet(1, "cdc", act).model))) == count


def test_an_addition_joins_its_branches() -> None:
    (family,) = families(Net(FloatNet(1, "cr").model))
    assert len(family.writers) == 2 and len(family.readers) == 2


@pytest.mark.parametrize("name", ["equalize", "equalize-activations"])
def test_imbalanced_channels_are_repaired(name: str) -> None:
    model = FloatNet(3, "cdcdc", imbalance=2.0).model
    wanted = answers(model)
    before, after = (
        sqnr_db(wanted, answers(quantize(model, as_samples(samples()), Recipe(repairs=repairs))))
        for repairs in ((), (name,))
    )
    assert after > before + 6
