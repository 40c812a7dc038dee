"""Which ways of emulating work on this machine, best first, found by really trying them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from edgeq.emulate.boards import boards
from edgeq.emulate.plan import Plan, Seat
from edgeq.emulate.recipe_namespaces import plan_namespaces, try_namespaces
from edgeq.emulate.recipe_proot import plan_proot, try_proot
from edgeq.emulate.recipe_system import plan_system, try_system
from edgeq.emulate.rootfs import Progress
from edgeq.emulate.state import RECIPES, check_name
from edgeq.emulate.userlands import Userland, userlands
from edgeq.errors import UsageError
from edgeq.host.system import without_linux

Planner = Callable[[Seat, Progress], Plan]


@dataclass(frozen=True)
class Recipe:
    """One way to emulate, whether it works here, and why or why not."""

    name: str
    ok: bool
    why: str


@dataclass(frozen=True)
class Choice:
    """A recipe that works here, how to plan a start with it, and why it was chosen before the others."""

    name: str
    why: str
    plan: Planner


def probe(name: str) -> list[Recipe]:
    """Every recipe for the device `name` in order of preference."""
    check_name(name)
    board = boards().get(name)
    if why := without_linux("An emulated board"):
        return [Recipe(board.program if board else RECIPES[0], False, why)]
    if board:
        why = board.title if board.installed else f"{board.program} is not installed ({board.install})"
        return [Recipe(board.program, board.installed, why)]
    return [recipe for recipe, _ in (_try(userlands()[name], recipe) for recipe in RECIPES)]


def _try(userland: Userland, name: str) -> tuple[Recipe, Planner]:
    if name == "namespaces":
        binfmt, why = try_namespaces(userland)
        return Recipe(name, bool(binfmt), why), lambda seat, _progress: plan_namespaces(seat, binfmt)
    if name == "proot":
        ok, why = try_proot(userland)
        return Recipe(name, ok, why), lambda seat, _progress: plan_proot(seat)
    ok, why = try_system(userland)
    return Recipe(name, ok, why), plan_system


def forced_recipe(recipe: str | None) -> str | None:
    """The recipe asked for by argument, else by EDGEQ_EMULATOR_RECIPE; `UsageError` where there is no such recipe."""
    wanted = recipe or os.environ.get("EDGEQ_EMULATOR_RECIPE") or None
    if wanted and wanted not in RECIPES:
        raise UsageError(f"There is no emulator recipe '{wanted}'.", f"There are: {', '.join(RECIPES)}.")
    return wanted


def choices(userland: Userland, forced: str | None) -> list[Callable[[str], Choice | str]]:
    """Candidates in order; each is tried only when called with the reasons against those before it, and answers its
    choice or its own reason."""
    return [partial(_candidate, userland, name, forced is not None) for name in ([forced] if forced else RECIPES)]


def _candidate(userland: Userland, name: str, is_forced: bool, against: str) -> Choice | str:
    recipe, plan = _try(userland, name)
    if not recipe.ok:
        return f"{name}: {recipe.why}"
    why = (
        f"{name} was asked for; {recipe.why}" if is_forced else f"{recipe.why}{f' (not {against})' if against else ''}"
    )
    return Choice(name, why, plan)
