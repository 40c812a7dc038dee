"""Faults to seed: each is a function of a good case, and the code of the finding that must name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from practice import Case

ANY, IMAGE, LABELLED = "any", "image", "labelled"


@dataclass(frozen=True)
class Fault:
    """`needs`: what the case must be. Faults of images are for pictures in 0..255."""

    name: str
    code: str
    seed: Callable[[Case], Case]
    needs: str = ANY


def _draw() -> np.random.Generator:
    return np.random.default_rng(11)


def _values(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Case], Case]:
    return lambda case: replace(case, x=np.asarray(change(case.x), np.float32))


def _some(share: float, change: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]) -> Callable[[Case], Case]:
    """`change(some samples, all samples)` for a share of them."""

    def seed(case: Case) -> Case:
        x = case.x.astype(np.float32)
        places = _draw().choice(len(x), max(1, round(share * len(x))), replace=False)
        x[places] = change(x[places], case.x)
        return replace(case, x=x)

    return seed


def _copies(jitter: float) -> Callable[[Case], Case]:
    def seed(case: Case) -> Case:
        x = case.x.astype(np.float32)
        x[-6:] = x[:6] + _draw().normal(0, jitter * x.std(), x[:6].shape)
        y = None if case.y is None else np.concatenate([case.y[:-6], case.y[:6]])
        return replace(case, x=x, y=y)

    return seed


def _leak(jitter: float) -> Callable[[Case], Case]:
    def seed(case: Case) -> Case:
        assert case.x_eval is not None
        x = case.x_eval.astype(np.float32)
        x[:6] = case.x[:6] + _draw().normal(0, jitter * x.std(), x[:6].shape)
        return replace(case, x=case.x.astype(np.float32), x_eval=x)

    return seed


def _evaluation(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Case], Case]:
    def seed(case: Case) -> Case:
        assert case.x_eval is not None
        return replace(case, x_eval=np.asarray(change(case.x_eval), np.float32))

    return seed


def _labels(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Case], Case]:
    def seed(case: Case) -> Case:
        assert case.y is not None
        return replace(case, y=change(case.y))

    return seed


def _keep(wanted: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Case], Case]:
    def seed(case: Case) -> Case:
        assert case.y is not None
        kept = wanted(case.y)
        return replace(case, x=case.x[kept], y=case.y[kept])

    return seed


def _nan(case: Case) -> Case:
    x = case.x.astype(np.float32)
    x[5].flat[7] = np.nan
    return replace(case, x=x)


def _few(case: Case) -> Case:
    return replace(case, x=case.x[:10], y=None if case.y is None else case.y[:10])


def _one_class(y: NDArray[Any]) -> NDArray[Any]:
    return (y == 2) | (np.cumsum(y != 2) <= 2)


def _clipped(x: NDArray[Any], all_samples: NDArray[Any]) -> NDArray[Any]:
    noise = _draw().normal(all_samples.mean(), all_samples.std(), x.shape)
    return np.clip(noise, all_samples.min(), all_samples.max())


FAULTS = (
    Fault("NaN in a sample", "unreadable", _nan),
    Fault("2 of 100 samples x20", "outliers", _some(0.02, lambda some, _: some * 20)),
    Fault("one sample x30", "range-of-one", _some(0.001, lambda some, _: some * 30)),
    Fault("copies", "duplicates", _copies(0)),
    Fault("copies with a little noise", "near-duplicates", _copies(0.01)),
    Fault("black samples", "constant", _some(0.05, lambda some, _: some * 0)),
    Fault("nearly constant samples", "constant", _some(0.05, lambda some, every: every.mean() + some * 1e-4)),
    Fault("uniform noise", "noise", _values(lambda x: _draw().uniform(x.min(), x.max(), x.shape))),
    Fault("normal noise", "noise", _values(lambda x: _draw().normal(x.mean(), x.std(), x.shape))),
    Fault(
        "noise with mean and deviation of each place",
        "noise",
        _values(lambda x: x.mean(axis=0) + x.std(axis=0) * _draw().normal(size=x.shape)),
    ),
    Fault("some samples are noise", "noise-samples", _some(0.06, _clipped)),
    Fault("divided by 255", "scale", _values(lambda x: x / 255)),
    Fault("multiplied by 255", "scale", _values(lambda x: x * 255)),
    Fault("divided by 127.5, minus 1", "scale", _values(lambda x: x / 127.5 - 1)),
    Fault("mean 0 and deviation 1", "scale", _values(lambda x: (x - x.mean()) / x.std())),
    Fault("ten samples", "few-samples", _few),
    Fault("evaluation samples among them", "leakage", _leak(0)),
    Fault("evaluation samples with a little noise among them", "near-leakage", _leak(0.01)),
    Fault("a brighter evaluation set", "shift", _evaluation(lambda x: x + 0.8 * x.std())),
    Fault(
        "an evaluation set with noise",
        "shift",
        _evaluation(lambda x: x + _draw().normal(0, 0.6 * x.std(), x.shape)),
    ),
    Fault("BGR", "channels", _values(lambda x: x[..., ::-1]), IMAGE),
    Fault("rows and columns exchanged", "orientation", _values(lambda x: np.swapaxes(x, 1, 2)), IMAGE),
    Fault("inverted", "polarity", _values(lambda x: 255 - x), IMAGE),
    Fault("a class is missing", "class-missing", _keep(lambda y: y != 3), LABELLED),
    Fault("nearly all of one class", "class-balance", _keep(_one_class), LABELLED),
    Fault("classes numbered in another order", "labels-order", _labels(lambda y: (y + 1) % (y.max() + 1)), LABELLED),
    Fault("classes numbered from 1", "labels-range", _labels(lambda y: y + 1), LABELLED),
    Fault("labels of other samples", "labels-disagree", _labels(lambda y: _draw().permutation(y)), LABELLED),
)
