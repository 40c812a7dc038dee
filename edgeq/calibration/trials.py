"""Tries every hypothesis on the model: a few samples first, then the best of each kind on more. Runs in the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.calibration.evidence import Floats, Numbers, Trial
from edgeq.calibration.hypotheses import Facts, Hypothesis, hypotheses
from edgeq.quantize.golden import spread

FIRST, THEN = 32, 300
Answer = Callable[[NDArray[Any]], Floats]


def try_all(
    inputs: Sequence[NDArray[Any]], answers: Floats, labels: Numbers | None, answer: Answer, autoencoder: bool
) -> list[Trial]:
    """`inputs` are samples (1, ...), `answers` (n, m) what the model says of them as they are, `answer` asks it."""
    low, high = min(float(x.min()) for x in inputs), max(float(x.max()) for x in inputs)
    found: dict[str, tuple[float, Hypothesis]] = {}
    bench = _Bench(inputs, answers, labels, answer, autoencoder)
    for each in hypotheses(Facts(low, high, inputs[0].shape[1:])):
        worth = _worth(bench.run(each, FIRST), labels is not None, autoencoder)
        if worth > found.get(each.kind, (0.0, each))[0]:
            found[each.kind] = worth, each
    return [bench.run(each, THEN) for _, each in found.values()]


class _Bench:
    def __init__(
        self,
        inputs: Sequence[NDArray[Any]],
        answers: Floats,
        labels: Numbers | None,
        answer: Answer,
        autoencoder: bool,
    ) -> None:
        self._inputs, self._answers, self._labels = inputs, answers, labels
        self._answer, self._autoencoder = answer, autoencoder

    def run(self, hypothesis: Hypothesis, most: int) -> Trial:
        """On up to `most` samples, spread over the set."""
        places = list(spread(len(self._inputs), most))
        given = self._answers[places]
        changed = [np.ascontiguousarray(hypothesis.change(self._inputs[place]), np.float32) for place in places]
        got = np.array([self._answer(x) for x in changed], np.float32)
        if self._autoencoder:
            before = _errors(np.array([self._inputs[place].ravel() for place in places], np.float32), given)
            after = _errors(np.array([x.ravel() for x in changed], np.float32), got)
            return Trial(
                hypothesis.title,
                hypothesis.kind,
                len(places),
                surer=float((after < before).mean()),
                error=float(np.median(after) / max(float(np.median(before)), 1e-30)),
            )
        counts = (0, 0, 0, 0)
        if self._labels is not None:
            wanted = self._labels[places]
            was, now = given.argmax(axis=1) == wanted, got.argmax(axis=1) == wanted
            counts = int(was.sum()), int(now.sum()), int((now & ~was).sum()), int((was & ~now).sum())
        margins, others = margin(given), margin(got)
        factor = float(np.median(others) / max(float(np.median(margins)), 1e-9))
        surer = _falls(entropies(given) - entropies(got))
        return Trial(hypothesis.title, hypothesis.kind, len(places), *counts, (told(given), told(got)), surer, factor)


def _worth(trial: Trial, labelled: bool, autoencoder: bool) -> float:
    """More than 0 where it is better than the samples as they are."""
    if autoencoder:
        return 1 - trial.error
    if labelled:
        return float(trial.changed - trial.as_given)
    if trial.kind == "scale":
        return trial.told[1] - trial.told[0]
    return trial.margin - 1


def _errors(wanted: Floats, got: Floats) -> Floats:
    """The squared error of each sample, in units of the set's own variance."""
    variance = float(np.square(wanted - wanted.mean(axis=0)).mean()) + 1e-30
    errors: Floats = np.square(wanted - got).mean(axis=1) / variance
    return errors


def margin(answers: Floats) -> Floats:
    """Between the largest and the second largest of each row."""
    ordered = np.sort(answers, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _falls(differences: NDArray[np.float64]) -> float:
    """The mean in units of its standard error."""
    if len(differences) < 2:
        return 0.0
    return float(differences.mean() / (differences.std(ddof=1) / np.sqrt(len(differences)) + 1e-12))


def entropies(answers: Floats) -> NDArray[np.float64]:
    """(n,): of each answer, in nats."""
    return np.asarray(_entropy(_shares(answers)))


def told(answers: Floats) -> float:
    """How much an answer tells of the sample, in shares of what it could (0: always the same answer): the entropy of
    all answers less that of each."""
    shares = _shares(answers)
    return float((_entropy(shares.mean(axis=0)) - _entropy(shares).mean()) / np.log(answers.shape[1]))


def _shares(answers: Floats) -> NDArray[np.float64]:
    """The softmax of each row."""
    shares: NDArray[np.float64] = np.exp(answers.astype(np.float64) - answers.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _entropy(shares: NDArray[np.float64]) -> Any:
    return -(shares * np.log(shares + 1e-12)).sum(axis=-1)
