"""The order of a search: every mode, then repairs of what is worth it, then layer by layer: fewer bits where that costs
least, more where they are needed most."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.errors import ConvertError, UsageError
from edgeq.quantize.outputs import Runner
from edgeq.quantize.recipe import STATIC, Recipe
from edgeq.quantize.repair.mixed import smaller
from edgeq.quantize.repair.spread import spread
from edgeq.quantize.samples import Samples
from edgeq.quantize.sensitivity import Layer, analyse
from edgeq.quantize.task import Job, in_worker
from edgeq.search import space
from edgeq.search.front import pareto
from edgeq.search.ledger import Ledger
from edgeq.search.pool import Dask, Processes, open_pool
from edgeq.search.trial import Material, Result
from edgeq.target import TargetProfile

MOST_FITTING, MOST_HELD = 200, 100
"""Calibration samples that trials find ranges from, and those that they are judged on: trials are many."""
LEAST = 6
HELD_EVERY = 3
TOLD_S = 2.0
WIDER_DB = 1.0
"""What 16-bit activations must gain over 8-bit ones to be followed: they double the work."""

Progress = Callable[[str], None]

PREFERENCES: dict[str, Callable[[Result], tuple[Any, ...]]] = {
    "both": lambda each: (each.size_bytes * each.work, -each.sqnr_db, each.recipe.sha256),
    "size": lambda each: (each.size_bytes, each.work, -each.sqnr_db, each.recipe.sha256),
    "speed": lambda each: (each.work, each.size_bytes, -each.sqnr_db, each.recipe.sha256),
}
"""What to sort results by; the best has the least."""
_SCHEDULER = re.compile(r"(tcp|tls|ucx|ws|wss)://[^\s/]+:\d+")


@dataclass(frozen=True)
class Plan:
    """How to search. `floor`: how many points of accuracy may be lost. `minutes`: no trial is begun after that.
    `folder`: where results are kept, to go on later; None keeps none. `prefer`: "size", "speed", or their product."""

    floor: float
    minutes: float = 10.0
    jobs: int = 2
    scheduler: str = ""
    folder: Path | None = None
    io: str = "auto"
    prefer: str = "both"

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 100:
            raise UsageError(f"An accuracy cannot drop by {self.floor:g} points.", "Give points, such as 0.5.")
        if self.prefer not in PREFERENCES:
            raise UsageError(f"A search cannot prefer '{self.prefer}'.", f"Use one of {', '.join(PREFERENCES)}.")
        if self.scheduler and not _SCHEDULER.fullmatch(self.scheduler):
            raise UsageError(f"'{self.scheduler}' is no address of a Dask scheduler.", "Give tcp://host:port.")


@dataclass(frozen=True)
class Found:
    """`results` in the order of the search; `candidates` fit and `may_keep` the floor by held-back calibration samples,
    the preferred first; `front` is what no other result beats in size, work and noise. `complete` is false where the
    time was over first; `resumed` results came from an earlier search."""

    results: tuple[Result, ...]
    candidates: tuple[Result, ...]
    front: tuple[Result, ...]
    complete: bool
    resumed: int


def material(model: bytes, samples: Samples, labels: Any, target: TargetProfile, progress: Progress) -> Material:
    """Split representative samples into those that ranges come from and those that trials are judged on; `labels` (n,)
    or None. `UsageError` where they are too few to be split."""
    if len(samples) < LEAST:
        raise UsageError(
            f"A search needs {LEAST} representative samples or more; there are {len(samples)}.", "Give a hundred."
        )
    places = np.arange(len(samples))
    held = places[HELD_EVERY - 1 :: HELD_EVERY]
    rest = np.setdiff1d(places, held)
    held, fitting = held[spread(len(held), MOST_HELD)], rest[spread(len(rest), MOST_FITTING)]
    progress(f"searching with {len(fitting)} samples for ranges and {len(held)} to judge by")
    answers = in_worker(answer, "The search", model, samples.choose(held.tolist()), {}, progress)
    return Material(
        model,
        samples.names,
        _arrays(samples, fitting),
        _arrays(samples, held),
        None if labels is None else np.asarray(labels)[held],
        np.array(answers, np.float32),
        target,
    )


def answer(job: Job) -> list[list[float]]:
    """The task: what the float model answers before a softmax, one row for each sample."""
    return [[float(value) for value in row] for row in Runner(job.model).answers(job.samples)]


def search(given: Material, plan: Plan, progress: Progress = lambda _: None) -> Found:
    """Run the rounds. `UsageError` and `LinkError` as the pool raises them."""
    until = time.monotonic() + plan.minutes * 60
    ledger = Ledger(plan.folder, given.sha256)
    resumed = len(ledger)
    with open_pool(given, plan.jobs, plan.scheduler) as pool:
        rounds = _Rounds(pool, ledger, until, progress)
        results = rounds.run("modes", list(space.plain(given.target, plan.io)))
        bases = _bases(results)
        results += rounds.run("repairs", [recipe for base in bases for recipe in space.repaired(base)])
        bases = _bases(results)
        mixed = [recipe for base in bases if rounds.in_time() for recipe in _mixed(given, base, bases, progress)]
        results += rounds.run("layers", mixed)
    fitting = [result for result in results if not result.error]
    held = len(given.answers)
    keeping = [each for each in fitting if may_keep(each.loss, plan.floor, held)]
    candidates = sorted(keeping, key=lambda each: _order(each, plan))
    front = pareto(sorted(fitting, key=PREFERENCES["size"]), lambda each: (each.size_bytes, each.work, -each.sqnr_db))
    return Found(tuple(results), tuple(candidates), tuple(front), rounds.complete, resumed)


def _order(result: Result, plan: Plan) -> tuple[Any, ...]:
    """As the plan prefers; of those that cost the same, first what kept the floor, then the quieter ones."""
    *cost, noise, sha256 = PREFERENCES[plan.prefer](result)
    return (*cost, result.loss > plan.floor, noise, sha256)


def may_keep(loss: float, floor: float, held: int) -> bool:
    """Whether a recipe that lost `loss` points on `held` samples may keep the floor: one changed answer among 33 is 3
    points, so a loss within its standard error of the floor is left for the evaluation set to decide."""
    share = max(loss, 0.0) / 100
    return loss - 100 * math.sqrt(share / held) <= floor


class _Rounds:
    """Runs recipes that were not tried yet, and keeps what comes of them."""

    def __init__(self, pool: Processes | Dask, ledger: Ledger, until: float, progress: Progress) -> None:
        self._pool, self._ledger, self._until, self._progress = pool, ledger, until, progress
        self.complete = True

    def in_time(self) -> bool:
        """Whether more can begin; where not, the search is not complete."""
        left = time.monotonic() < self._until
        self.complete &= left
        return left

    def run(self, name: str, recipes: Sequence[Recipe]) -> list[Result]:
        """The results in the order of `recipes`, without those that the time did not suffice for."""
        distinct = list({recipe.sha256: recipe for recipe in recipes}.values())
        missing = [recipe for recipe in distinct if self._ledger.get(recipe.sha256) is None]
        told = time.monotonic()
        for done, result in enumerate(self._pool.results(missing, self._until), 1):
            self._ledger.add(result)
            if time.monotonic() - told > TOLD_S or done == len(missing):
                told = time.monotonic()
                self._progress(f"{name}: trial {done} of {len(missing)}")
        found = [self._ledger.get(recipe.sha256) for recipe in distinct]
        self.complete &= None not in found
        return [result for result in found if result]


def _bases(results: Sequence[Result]) -> list[Recipe]:
    """Of every static mode that fits the recipe with the best answers; 16-bit activations only where they gain."""
    best: dict[str, Result] = {}
    for result in results:
        mode = result.recipe.mode
        if mode in STATIC and not result.error and (mode not in best or result.sqnr_db > best[mode].sqnr_db):
            best[mode] = result

    def gains(mode: str, result: Result) -> bool:
        twin = best.get(mode.replace("_ai16", "_ai8"), result)
        return twin is result or result.sqnr_db >= twin.sqnr_db + WIDER_DB

    return [result.recipe for mode, result in best.items() if gains(mode, result)]


def _mixed(given: Material, base: Recipe, bases: Sequence[Recipe], progress: Progress) -> list[Recipe]:
    """`base` with other bits for some of its layers, as far as the target has them."""
    fitting = Samples(given.names, len(given.fitting[0]), lambda index: [array[index] for array in given.fitting])
    told = base.to_json()
    found: list[Recipe] = []
    try:
        if space.narrows(base, bases, given.target):
            recipes = in_worker(smaller, "The search", given.model, fitting, {"recipe": told}, progress)
            found += [Recipe.from_json(each) for each in recipes]
        if space.widens(base, given.target):
            options = {"recipe": told, "quick": True}
            layers = in_worker(analyse, "The search", given.model, fitting, options, progress)["layers"]
            found += space.wider(base, [Layer(**layer) for layer in layers])
    except ConvertError as error:
        # What the base itself has no form for, or a crash of the runtime: it costs these trials and no others.
        progress(error.message)
    return found


def _arrays(samples: Samples, places: Any) -> tuple[Any, ...]:
    rows = [samples.read(int(place)) for place in places]
    return tuple(np.stack([np.asarray(row[index]) for row in rows]) for index in range(len(rows[0])))
