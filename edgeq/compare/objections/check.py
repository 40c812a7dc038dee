"""One row of the registry of objections, and how most of them are found: a fact of two runs that differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeq.run import Run
from edgeq.waiver import Waiver

ALL, TIMES, ENERGY, ACCURACY = "everything", "times", "energy", "accuracy"
AGAIN = "Bench both sides alike, then compare again."


@dataclass(frozen=True)
class Objection:
    """What was found, between which two runs; `metrics` are the names of the figures that it is about."""

    code: str
    severity: str
    about: str
    message: str
    hint: str
    metrics: tuple[str, ...]
    waiver: Waiver | None = None

    @property
    def refuses(self) -> bool:
        """Whether it stands in the way."""
        return self.severity == "refuse" and self.waiver is None


@dataclass(frozen=True)
class Pair:
    """Two runs and what sentences call them."""

    base: Run
    new: Run
    first: str
    second: str

    def each(self, fact: Callable[[Run], Any]) -> tuple[Any, Any]:
        """A fact of both."""
        return fact(self.base), fact(self.new)


Find = Callable[[Pair], str]


@dataclass(frozen=True)
class Check:
    """One row of the registry. `find` gives the message, or nothing where all is well; `when` is for the docs."""

    code: str
    severity: str
    about: str
    find: Find
    when: str
    hint: str
    waivable: bool = True


def differs(fact: Callable[[Run], Any], words: str) -> Find:
    """Tells of a fact that both runs know and that is another; `words` have a place for each."""

    def find(pair: Pair) -> str:
        before, after = pair.each(fact)
        return words.format(before, after) if differ(before, after) else ""

    return find


def one_alone(fact: Callable[[Run], bool], words: str) -> Find:
    """Tells of what is so of one run only; `words` have places for that run and for the other."""

    def find(pair: Pair) -> str:
        before, after = pair.each(fact)
        if before == after:
            return ""
        return words.format(*((pair.first, pair.second) if before else (pair.second, pair.first)))

    return find


def differ(before: Any, after: Any) -> bool:
    """Whether both are known and differ."""
    return before not in (None, "") and after not in (None, "") and before != after


def provenance(run: Run) -> Mapping[str, Any]:
    """Where the release came from; empty where the run does not tell."""
    found = run.release.get("provenance")
    return found if isinstance(found, Mapping) else {}


def sentence(words: str) -> str:
    """`words` as they begin a sentence."""
    return words[:1].upper() + words[1:]
