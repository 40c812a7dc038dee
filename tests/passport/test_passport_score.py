from __future__ import annotations

from dataclasses import replace

import numpy as np
from bundles import MODEL

from edgeq.interface import Interface, Tensor
from edgeq.model.describe import describe
from edgeq.model.info import ModelInfo
from edgeq.model.tflite import read_model
from edgeq.passport.score import counted, score_of
from edgeq.quantize.samples import as_samples

EMPTY = read_model(MODEL.read_bytes())


def ends(given: tuple[int, ...], made: tuple[int, ...], labels: tuple[str, ...] = ()) -> Interface:
    return Interface((Tensor("x", given, "float32", 0.0, 0),), (Tensor("y", made, "float32", 0.0, 0),), labels)


def plain() -> ModelInfo:
    """A model whose last operators make no probabilities."""
    graph = EMPTY.subgraphs[0]
    kept = tuple(operator for operator in graph.operators if operator.name not in ("SOFTMAX", "LOGISTIC"))
    return replace(EMPTY, subgraphs=(replace(graph, operators=kept),))


def test_each_kind_of_model_has_its_score() -> None:
    assert score_of(describe(EMPTY), EMPTY).kind == "confidence"
    assert score_of(ends((1, 8), (1, 3)), plain()) == score_of(ends((1, 8), (1, 1, 3)), plain())
    assert (score_of(ends((1, 8), (1, 3)), plain()).classes, score_of(ends((1, 8), (1, 1)), plain()).kind) == (
        3,
        "value",
    )
    assert score_of(ends((1, 8), (1, 8)), plain()).kind == "reconstruction"
    assert score_of(ends((1, 8), (1, 8), tuple("abcdefgh")), plain()).kind == "confidence"
    assert score_of(ends((1, 8, 8, 1), (1, 8, 8, 3)), plain()).classes == 0, "a mask is not one class"


def test_reconstruction_is_the_mean_of_squares() -> None:
    interface, x = ends((1, 4), (1, 4)), np.arange(8, dtype=np.float32).reshape(2, 4)
    score = score_of(interface, plain())
    values = score.values(interface, as_samples(x), x + np.array([[1], [2]], np.float32))
    assert values.tolist() == [1, 4]
    assert score.bins(interface, values).edges[-1] == 6
    assert score.predicted(x) is None


def test_a_model_that_says_no_numbers_breaks_nothing() -> None:
    interface = ends((1, 8), (1, 3))
    score = score_of(interface, plain())
    for values in (np.array([np.nan, np.inf, 2.0]), np.array([np.nan])):
        bins = score.bins(interface, values)
        counter = bins.counter()
        counter.add(values)
        assert np.isfinite(bins.edges).all()
        assert counter.counts.sum() == len(values) - 1


def test_the_greatest_value_and_its_class() -> None:
    interface = ends((1, 8), (1, 3))
    score, outputs = score_of(interface, plain()), np.array([[0.1, 0.9, 0], [0.5, 0.2, 0.3]], np.float32)
    assert np.allclose(score.values(interface, as_samples(np.zeros((2, 8))), outputs), [0.9, 0.5])
    assert score.predicted(outputs) == [1, 1, 0]
    assert counted(np.array([0, 2, 2, -1, 7]), 3) == [1, 0, 2]
