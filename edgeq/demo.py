"""The verb `demo`: from a trained model to a report, on an emulated Raspberry Pi 4, an emulated microcontroller and on
this machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq import emulate
from edgeq.bench import bench
from edgeq.build import build
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.errors import UsageError
from edgeq.firmware import build_firmware
from edgeq.init import init_project
from edgeq.materials import declared_by
from edgeq.project import DeviceEntry, Project
from edgeq.render import render_json, render_text, write_report
from edgeq.report import report
from edgeq.results import publish
from edgeq.run import Run
from edgeq.target import load_target

RUNS = 300
MARK = ".edgeq-demo"


@dataclass(frozen=True)
class Demo:
    """Where the report is, and what it says."""

    report: Path
    text: str
    document: Any


def run_demo(folder: Path, progress: Callable[[str], None] = lambda _: None) -> Demo:
    """Train, build for each target, deploy and bench on each, report; a line of progress for every stage.

    The microcontroller is left out, with the reason, where its firmware cannot be compiled or run here.
    """
    say = _Stages(progress)
    if (folder / MARK).exists():  # an earlier demo's, so nobody's work
        shutil.rmtree(folder)
    say("train: a small CNN on scikit-learn's digits")
    project = init_project(folder, say.detail)
    (folder / MARK).touch()
    assert project.model and project.data
    entries = [project.resolve("pi"), *_board(project, say), project.resolve("here")]
    say("build: full int8, for " + " and ".join(entry.target for entry in entries))
    targets = [load_target(entry.target) for entry in entries]
    built = build(
        project.model,
        targets,
        data=project.data,
        eval_data=project.eval,
        declared=declared_by(project),
        out=project.out,
        name=project.name,
        progress=say.detail,
    )
    paths = []
    for entry, item in zip(entries, built, strict=True):
        say(f"deploy: {entry.address}")
        with open_device(entry.address, say.detail) as device:
            # The device may serve any model of an earlier day, which no application of this demo relies on.
            deploy(item.bundle, device, say.detail, allow_interface_change=True)
            say(f"bench: {entry.address}")
            run = bench(device, name=entry.name, runs=RUNS, progress=say.detail)
        paths.append(_keep(project, run, entry.name))
    say("report")
    made, path = report(paths), folder / "report.html"
    write_report(made, path)
    return Demo(path, render_text(made, summary=True), render_json(made))


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


def _keep(project: Project, run: Run, name: str) -> Path:
    path = project.run_path(run.created, name)
    publish(run, path)
    return path


class _Stages:
    """Progress with the time since the start, so that one sees where it goes."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress, self._start = progress, time.monotonic()

    def __call__(self, text: str) -> None:
        self._progress(f"[{time.monotonic() - self._start:4.0f} s] {text}")

    def detail(self, text: str) -> None:
        self._progress(f"         {text}")
