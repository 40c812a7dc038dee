"""The verb `demo`: from a trained model to a report, on an emulated Raspberry Pi 4, an emulated microcontroller and on
this machine, where other recipes are measured beside the integers."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq import emulate
from edgeq.bench import bench
from edgeq.build import Built, build
from edgeq.building.materials import declared_by
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.errors import UsageError
from edgeq.firmware import build_firmware
from edgeq.init import init_project
from edgeq.project import DeviceEntry, Project
from edgeq.quantize.convert import convert
from edgeq.quantize.recipe import Recipe
from edgeq.render import render_json, render_text, write_report
from edgeq.report import report
from edgeq.results import publish
from edgeq.target import load_target

RUNS = 500
OTHERS = ("float32", "dynamic_wi8_afp32", "static_wi8_ai16")
"""Recipes that are measured on this machine too, so that one sees what integers cost and give."""
MARK = ".edgeq-demo"
QUIET_S = 2.0
"""Progress that tells a count is told no more often."""


@dataclass(frozen=True)
class Demo:
    """Where the report is, and what it says."""

    report: Path
    text: str
    document: Any


def run_demo(folder: Path, progress: Callable[[str], None] = lambda _: None) -> Demo:
    """Train, build for each target, deploy, profile and bench on each, report; a line of progress for every stage.

    The microcontroller is left out, with the reason, where its firmware cannot be compiled or run here.
    """
    say = _Stages(progress)
    if (folder / MARK).exists():  # an earlier demo's, so nobody's work
        shutil.rmtree(folder)
    say("train: a small CNN on scikit-learn's digits")
    project = init_project(folder, say.detail)
    (folder / MARK).touch()
    assert project.model and project.data
    here = project.resolve("here")
    entries = [project.resolve("pi"), *_board(project, say), here]
    say("build: full int8, for " + " and ".join(entry.target for entry in entries))
    source = convert(project.model, None, recipe=Recipe("float32"), progress=say.detail).float_model
    built = _build(project, entries, Recipe(), project.out, source, say)
    others = []
    for mode in OTHERS:
        say(f"build: {mode}, for {here.target}")
        others += _build(project, [here], Recipe(mode), project.out / mode, source, say)
    # What this machine serves in the end is the integer model, as every other device does: so the others go first.
    aside = [_measure(project, here, item, say) for item in others]
    paths = [_measure(project, entry, item, say) for entry, item in zip(entries, built, strict=True)]
    say("report")
    made = report([*paths, *aside], [item.bundle.folder for item in (*built, *others)])
    path = folder / "report.html"
    write_report(made, path)
    return Demo(path, render_text(made, summary=True), render_json(made))


def _build(
    project: Project, entries: Sequence[DeviceEntry], recipe: Recipe, out: Path, source: bytes, say: _Stages
) -> list[Built]:
    """A bundle for the target of each entry, of the float model that was converted already."""
    assert project.model
    return build(
        project.model,
        [load_target(entry.target) for entry in entries],
        data=project.data,
        eval_data=project.eval,
        declared=declared_by(project),
        recipe=recipe,
        out=out,
        name=project.name,
        float_model=source,
        progress=say.detail,
    )


def _measure(project: Project, entry: DeviceEntry, item: Built, say: _Stages) -> Path:
    """Deploy and bench; where the run is."""
    say(f"deploy: {item.bundle.manifest['mode']} to {entry.address}")
    with open_device(entry.address, say.detail) as device:
        # The device may serve any model of an earlier day, which no application of this demo relies on.
        deploy(item.bundle, device, say.detail, allow_interface_change=True)
        say(f"bench: {entry.address}")
        among = [item.bundle.folder]
        run = bench(device, name=entry.name, runs=RUNS, per_op=True, among=among, progress=say.detail)
    path = project.run_path(run.created, entry.name)
    publish(run, path)
    return path


def _board(project: Project, say: _Stages) -> list[DeviceEntry]:
    """The microcontroller with its firmware, or nothing."""
    entry = project.resolve("board")
    say(f"firmware: {entry.target}")
    try:
        build_firmware(load_target(entry.target), progress=say.detail)
    except UsageError as error:
        say.detail(f"left out: {error.message} {error.hint}")
        return []
    recipes = emulate.probe(entry.address.partition(":")[2])
    if not any(recipe.ok for recipe in recipes):
        say.detail(f"left out: {recipes[0].why}")
        return []
    return [entry]


class _Stages:
    """Progress with the time since the start, so that one sees where it goes."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress, self._start = progress, time.monotonic()
        self._counted, self._told = "", 0.0

    def __call__(self, text: str) -> None:
        self._progress(f"[{time.monotonic() - self._start:4.0f} s] {text}")

    def detail(self, text: str) -> None:
        what, now = re.sub(r"\d+ of \d+.*", "", text), time.monotonic()
        if what != text and what == self._counted and now - self._told < QUIET_S:
            return
        self._counted, self._told = what, now
        self._progress(f"         {text}")
