"""Which ranges and repairs a model and its calibration data want: each is kept only where it measures better.

The data is split into parts; every trial is fitted on all parts but one and measured on that one, in turn, so that no
sample judges what it helped to fit. The measure is the power of the answers before a softmax over that of their error
(dB): the mean of that of all samples together, where a few large errors count, and of the samples' own, where most of
them count. Samples that are not like the others do not. The end is fitted on all samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import ConvertError
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.outliers import outliers
from edgeq.quantize.engine.pipeline import Observed, Prepared, complete, finish, observed
from edgeq.quantize.engine.ranges import PLAIN
from edgeq.quantize.engine.statistics import observe
from edgeq.quantize.outputs import Floats, Runner
from edgeq.quantize.recipe import ALONE, Recipe, weight_bits
from edgeq.quantize.repair.apply import scaling
from edgeq.quantize.repair.spread import spread
from edgeq.quantize.samples import Samples
from edgeq.quantize.task import Job
from edgeq.quantize.verify import check_mode

Doubles = NDArray[np.float64]
Progress = Callable[[str], None]

FEWEST = 6
"""Samples below which nothing can be held back."""
MOST = 240
"""Samples that are used here: more would change no decision."""
GAIN_DB = 0.2
"""What a change must gain to be kept."""
RISKY_GAIN_DB = 1.0
"""What `per-sample` ranges and scaled channels must gain: they take room that held-back samples of the same kind do not
miss, but others do (the test data of `ad` has anomalies: 0.4 dB gained here, 3 dB lost there)."""
_PARTS = ((20, 5), (60, 3), (MOST, 2))
"""(up to so many samples, so many parts)."""
_RANGES = ("robust", "extrapolated", "percentile", "mse", "entropy")
_RANGES_RISKY = ("per-sample",)
_RANGES_FEW = ("extrapolated", "robust")
_FEW = 50
"""Samples below which these are offered one after the other, and nothing else: so few do not show what a narrower range
would cut off, and a wider one that measures better now will do so the more on samples to come."""
_FEW_GAIN_DB = -1.0
"""What `extrapolated` ranges and rounded weights must gain there: so few samples cannot judge less than this, and both
helped on every draw of ten samples that was measured, also where two held back seemed to say no."""
_AGAIN = ("robust", "extrapolated", "mse")
"""Methods that are tried again after channels were scaled."""
_HEADROOMS = {"int8": (1.1, 1.25, 1.5), "int16": (2.0, 8.0)}


@dataclass(frozen=True)
class Trial:
    """One change that was tried, by its name; held-back data says what it did. `after_db` is None where it failed."""

    what: str
    before_db: float
    after_db: float | None
    kept: bool


@dataclass(frozen=True)
class Evidence:
    """How a recipe was chosen: on so many samples in so many parts; `left_out` are samples that are not like the
    others, by title. From `before_db`, the given recipe, to `after_db`, the chosen one."""

    samples: int
    parts: int
    left_out: tuple[str, ...]
    before_db: float
    after_db: float
    trials: tuple[Trial, ...]

    def to_json(self) -> dict[str, Any]:
        """For the report and the passport."""
        return asdict(self)


def choose(
    model: bytes,
    samples: Samples,
    recipe: Recipe,
    *,
    labels: Sequence[int] | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> tuple[Recipe, Evidence]:
    """`recipe` with the ranges and repairs that measure better than its own; never one that measures worse.

    `labels`, one for each sample, spread the classes over the parts. The same for the same arguments. With fewer than
    `FEWEST` samples the given recipe stays, without trials. Call it where a crash of the runtime does no harm.
    """
    few = samples if len(samples) <= MOST else samples.choose(spread(len(samples), MOST))
    kept = labels if labels is None or len(samples) <= MOST else [labels[place] for place in spread(len(samples), MOST)]
    if not recipe.needs_samples or len(few) < FEWEST:
        return recipe, Evidence(len(few), 0, (), 0.0, 0.0, ())
    search = _Search(model, few, kept, recipe, seed, progress)
    for stage in (_range_stage, _scaling_stage, _again_stage, _headroom_stage, _weight_stage):
        stage(search)
    return search.recipe, search.evidence()


def chosen(job: Job) -> dict[str, Any]:
    """The task: `options` hold `recipe` and may hold `labels` and `seed`; gives `recipe` and `evidence`."""
    recipe, evidence = choose(
        job.model,
        job.samples,
        Recipe.from_json(job.options["recipe"]),
        labels=job.options.get("labels"),
        seed=int(job.options.get("seed", 0)),
        progress=job.progress,
    )
    return {"recipe": recipe.to_json(), "evidence": evidence.to_json()}


def parts(count: int, number: int, labels: Sequence[int] | None, seed: int) -> list[list[int]]:
    """`number` lists of places below `count`, drawn with `seed`, each with its share of every label."""
    drawn = np.random.default_rng(seed).permutation(count)
    if labels is not None:
        drawn = drawn[np.argsort(np.asarray(labels)[drawn], kind="stable")]
    return [sorted(int(place) for place in drawn[part::number]) for part in range(number)]


@dataclass(frozen=True)
class Measured:
    """Powers of the float model's answers and of the errors, one for each held-back sample that counts."""

    signals: Doubles
    errors: Doubles

    @property
    def db(self) -> float:
        """The mean of the ratio of the sums and of the samples' own ratios, in dB."""
        together = _decibels(self.signals.sum(keepdims=True), self.errors.sum(keepdims=True))
        return float(together[0] + _decibels(self.signals, self.errors).mean()) / 2

    def better_than(self, other: Measured, by_db: float = GAIN_DB) -> bool:
        """Whether it gains so much."""
        return self.db >= other.db + by_db


def _decibels(signals: Doubles, errors: Doubles) -> Doubles:
    return np.asarray(np.clip(10 * np.log10(np.maximum(signals, 1e-30) / np.maximum(errors, 1e-30)), -200, 200))


class _Search:
    """The state of one choice: the best recipe so far, what it measures, and the trials on the way."""

    def __init__(
        self,
        model: bytes,
        samples: Samples,
        labels: Sequence[int] | None,
        recipe: Recipe,
        seed: int,
        progress: Progress,
    ) -> None:
        self.model, self.samples, self.recipe, self._progress = model, samples, recipe, progress
        self._wanted = Runner(model).answers(samples)
        number = next((parts for most, parts in _PARTS if len(samples) <= most), 2)
        self._parts = parts(len(samples), number, labels, seed)
        self._strange = outliers(observe(model, samples))
        self._seen: dict[tuple[int, tuple[str, ...], bool], Observed] = {}
        self.trials: list[Trial] = []
        self.best = self._measure(recipe)
        self._before = self.best.db

    @property
    def few(self) -> bool:
        """Whether the samples are too few for a choice among all methods."""
        return len(self.samples) < _FEW

    def attempt(self, what: str, recipe: Recipe, gain_db: float = GAIN_DB) -> bool:
        """Try a change of the best recipe; keep it where it measures better."""
        return self.compete([(what, recipe)], gain_db)

    def compete(self, offers: list[tuple[str, Recipe]], gain_db: float = GAIN_DB) -> bool:
        """Try some changes of the best recipe that exclude each other; keep the best where it measures better."""
        found: list[tuple[str, Recipe, Measured | None]] = []
        for what, recipe in offers:
            if recipe != self.recipe:
                self._progress(f"trying {what}")
                found.append((what, recipe, self._tried(recipe)))
        better = [each for each in found if each[2] is not None and each[2].better_than(self.best, gain_db)]
        winner = max(better, key=lambda each: each[2].db if each[2] else 0.0, default=None)
        before = self.best.db
        self.trials += [
            Trial(what, round(before, 2), None if got is None else round(got.db, 2), bool(winner and what == winner[0]))
            for what, _, got in found
        ]
        if winner is not None and winner[2] is not None:
            self.recipe, self.best = winner[1], winner[2]
        return winner is not None

    def evidence(self) -> Evidence:
        """What was found so far."""
        titles = tuple(self.samples.title(place) for place in self._strange)
        return Evidence(
            len(self.samples),
            len(self._parts),
            titles,
            round(self._before, 2),
            round(self.best.db, 2),
            tuple(self.trials),
        )

    def _tried(self, recipe: Recipe) -> Measured | None:
        try:
            return self._measure(recipe)
        except ConvertError:
            return None

    def _measure(self, recipe: Recipe) -> Measured:
        signals, errors = [], []
        for number, held in enumerate(self._parts):
            counted = [place for place in held if place not in self._strange]
            if not counted:
                continue
            made = finish(self._prepared(number, recipe), recipe)
            check_mode(read_model(made), recipe)
            got = Runner(made).answers(self.samples.choose(counted))
            wanted = self._wanted[counted]
            signals.append(_powers(wanted))
            errors.append(_powers(wanted - got))
        return Measured(np.concatenate(signals), np.concatenate(errors))

    def _prepared(self, number: int, recipe: Recipe) -> Prepared:
        key = (number, scaling(recipe), recipe.ranges.method == PLAIN)
        if key not in self._seen:
            held = set(self._parts[number])
            rest = self.samples.choose([place for place in range(len(self.samples)) if place not in held])
            self._seen[key] = observed(self.model, rest, recipe, histograms=True)
        return complete(self._seen[key], recipe)


def _powers(rows: Floats) -> Doubles:
    return np.asarray(np.square(rows, dtype=np.float64).sum(axis=1))


def _methods(recipe: Recipe, names: Sequence[str]) -> Iterator[tuple[str, Recipe]]:
    for name in names:
        yield f"ranges: {name}", replace(recipe, ranges=replace(recipe.ranges, method=name, quantile=0.0))


def _range_stage(search: _Search) -> None:
    if not search.few:
        search.compete(list(_methods(search.recipe, _RANGES)))
        search.compete(list(_methods(search.recipe, _RANGES_RISKY)), RISKY_GAIN_DB)
        return
    wide, seen = _methods(search.recipe, _RANGES_FEW)
    if not search.attempt(*wide, _FEW_GAIN_DB):
        search.attempt(*seen)


def _scaling_stage(search: _Search) -> None:
    for name in ("equalize-activations", "equalize"):
        search.attempt(f"repair: {name}", _with(search.recipe, name), RISKY_GAIN_DB)


def _again_stage(search: _Search) -> None:
    if scaling(search.recipe) and not search.few:
        search.compete(list(_methods(search.recipe, _AGAIN)))


def _headroom_stage(search: _Search) -> None:
    if not search.recipe.ranges.headroom and not (search.few and search.recipe.ranges.method == "extrapolated"):
        search.compete(
            [
                (f"headroom: {room:g}", replace(search.recipe, ranges=replace(search.recipe.ranges, headroom=room)))
                for room in _HEADROOMS.get(search.recipe.activations, ())
            ]
        )


def _weight_stage(search: _Search) -> None:
    names = ["round-weights", "correct-biases"]
    if any(weight_bits(mode) == 4 for mode in search.recipe.modes):
        names.insert(0, "clip-weights")
    if set(search.recipe.repairs) & set(ALONE):
        names = names[-1:]
    for name in names:
        gain_db = _FEW_GAIN_DB if search.few and name == "round-weights" else GAIN_DB
        search.attempt(f"repair: {name}", _with(search.recipe, name), gain_db)


def _with(recipe: Recipe, name: str) -> Recipe:
    return Recipe.from_json({**recipe.to_json(), "repairs": [*recipe.repairs, name]})
