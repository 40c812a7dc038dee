from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.evaluate.scorer import Called, Mean, Ranked, Scorer, Sums, Tallies, value


def _area(scores: np.ndarray, positive: np.ndarray) -> float:
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    return float(np.mean(pairs)) if pairs else float("nan")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order(samples: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([a for a, _ in samples], float), np.array([b for _, b in samples])
    found = value(Ranked(scores[:, None], positive[:, None]))
    assert found == pytest.approx(_area(scores, positive), nan_ok=True)


def _scorers(n: int) -> list[Scorer]:
    random = np.random.default_rng(n)
    scores, positive = random.integers(0, 5, (n, 2)).astype(float), random.integers(0, 2, (n, 2)).astype(bool)
    share = lambda sums: sums[:, 0] / sums[:, 1]  # noqa: E731
    return [
        Mean(random.normal(size=n)),
        Sums(random.integers(1, 9, (n, 2)).astype(float), share),
        Tallies([np.arange(0, n, 2), np.arange(n)], share, n),
        Ranked(scores, positive),
        Called(scores, positive, lambda some, true: float((some * true).mean())),
    ]


def _subset(scorer: Scorer, rows: np.ndarray) -> Scorer:
    if isinstance(scorer, Mean):
        return Mean(scorer.values[rows])
    if isinstance(scorer, Sums):
        return Sums(scorer.parts[rows], scorer.finish)
    if isinstance(scorer, Tallies):
        members = [np.flatnonzero(np.isin(rows, places)) for places in scorer.members]
        return Tallies(members, scorer.finish, len(rows))
    if isinstance(scorer, Ranked):
        return Ranked(scorer.scores[rows], scorer.positive[rows])
    assert isinstance(scorer, Called)
    return Called(scorer.outputs[rows], scorer.labels[rows], scorer.function)


@pytest.mark.parametrize("place", range(5))
def test_weights_are_repetitions(place: int) -> None:
    scorer = _scorers(20)[place]
    weights = np.random.default_rng(0).integers(0, 4, (20, 3)).astype(np.float32)
    for column, found in zip(weights.T, scorer.under(weights), strict=True):
        assert found == pytest.approx(value(_subset(scorer, np.repeat(np.arange(20), column.astype(int)))))


def test_an_area_without_both_kinds_is_not_defined() -> None:
    assert np.isnan(value(Ranked(np.ones((3, 1)), np.ones((3, 1), bool))))
    two = Ranked(np.array([[0.0, 0], [1, 1]]), np.array([[False, True], [True, True]]))
    assert value(two) == 1.0
