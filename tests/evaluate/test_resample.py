from __future__ import annotations

import time

import numpy as np
import pytest

from edgeq.evaluate import resample
from edgeq.evaluate.metrics import metric
from edgeq.evaluate.resample import LARGE, RESAMPLES, draws, method, paired, resamples
from edgeq.evaluate.scorer import Mean, Scorer
from edgeq.stats import paired_difference


def _two(n: int, name: str, classes: int = 10, noise: float = 0.1) -> list[Scorer]:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, n)
    outputs = random.normal(size=(n, classes))
    outputs[np.arange(n), labels] += 2
    return [
        metric(name).scorer(each, labels) for each in (outputs, outputs + random.normal(size=outputs.shape) * noise)
    ]


def test_numbers_for_each_sample_go_the_way_of_the_statistics() -> None:
    one, other = (Mean(np.random.default_rng(seed).normal(size=50)) for seed in (1, 2))
    found = paired([one, other], [1, -1]).at()
    assert (found.value, found.low, found.high) == pytest.approx(paired_difference(one.values, other.values))


def test_pairing_takes_out_what_both_find_hard() -> None:
    two = _two(800, "f1")
    alone, together = paired(two[:1], [1]).at(), paired(two, [1, -1]).at()
    assert together.low <= together.value <= together.high
    assert together.high - together.low < 0.6 * (alone.high - alone.low)


@pytest.mark.parametrize("name", ["f1", "auc"])
def test_intervals_of_sets_agree_with_plain_resampling(name: str) -> None:
    random, labels = np.random.default_rng(5), np.arange(300) % 3
    outputs = random.normal(size=(300, 3)) + 2 * np.eye(3)[labels]
    wanted = metric(name)
    found = paired([wanted.scorer(outputs, labels)], [1]).at()
    rows = [random.integers(0, 300, 300) for _ in range(1000)]
    plain = [wanted.scorer(outputs[row], labels[row]).under(np.ones((300, 1), np.float32))[0] for row in rows]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(plain, (0.025, 0.975))), abs=0.006)


def test_poisson_weights_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    two = _two(900, "f1")
    plain = paired(two, [1, -1]).at()
    monkeypatch.setattr(resample, "LARGE", 1)
    assert "Poisson" in method(two)
    poisson = paired(two, [1, -1]).at()
    assert (poisson.low, poisson.high) == pytest.approx((plain.low, plain.high), abs=0.0015)
    weights = resample._poisson(np.random.default_rng(0), 2000, 100)
    assert weights.mean() == pytest.approx(1, abs=0.01) and weights.var() == pytest.approx(1, abs=0.02)


def test_the_same_seed_gives_the_same() -> None:
    two = _two(LARGE, "f1")
    assert (draws(two, [1, -1], 50, 0) == draws(two, [1, -1], 50, 0)).all()
    assert (draws(two, [1, -1], 50, 0) != draws(two, [1, -1], 50, 1)).any()


def test_a_wider_confidence_is_a_wider_interval() -> None:
    found = paired(_two(500, "accuracy"), [1, -1])
    narrow, wide = found.at(), found.at(0.999)
    assert wide.low < narrow.low and narrow.high < wide.high


def test_costly_metrics_of_large_sets_are_resampled_less() -> None:
    assert resamples(_two(100, "auc")) == RESAMPLES
    assert resamples(_two(10_000, "auc", classes=50)) < RESAMPLES
    assert method(_two(2000, "accuracy")) == "paired bootstrap, 10000 resamples, seed 0"


def test_ten_thousand_resamples_of_ten_thousand_samples_take_seconds() -> None:
    two = _two(10_000, "f1")
    assert resamples(two) == RESAMPLES
    begun = time.process_time()
    paired(two, [1, -1]).at()
    assert time.process_time() - begun < 10
