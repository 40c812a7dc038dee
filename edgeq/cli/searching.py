"""What `edgeq build --max-accuracy-drop` does and shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeq.cli.base import Given, console, open_address
from edgeq.errors import UsageError
from edgeq.host.console import table
from edgeq.units import format_bytes

if TYPE_CHECKING:
    from edgeq.building.materials import Declared
    from edgeq.project import Project
    from edgeq.search.trial import Result
    from edgeq.searched import Searched


def search_and_tell(
    project: Project,
    given: Given,
    said: Declared,
    names: Sequence[str],
    options: Mapping[str, Any],
    measure: str,
) -> None:
    """Search, build, and print the result; `options` are those of `Plan`, `measure` the device that measures."""
    from edgeq.cli.telling import tell_built
    from edgeq.search.search import Plan
    from edgeq.searched import Job, build_searched, document
    from edgeq.target import load_target

    if given.data is None or given.eval_data is None:
        raise UsageError(
            "A search needs representative data, and a labelled set that the floor is judged on.",
            "edgeq build MODEL --target T --data CAL --eval SET --max-accuracy-drop 0.5",
        )
    if not names:
        raise UsageError("There is no target to build for.", "Give --target; 'edgeq targets' lists them.")
    targets = [load_target(name) for name in names]
    job = Job(given.model, given.data, given.eval_data, said, given.samples, project.root, given.out, given.name)
    address = project.resolve(measure).address if measure else ""
    found = build_searched(
        job, targets, Plan(**options), device=address, opened_device=open_address, progress=console.progress
    )
    built, _ = tell_built([each.built for each in found])
    told = {**built, "searches": [document(each) for each in found]}
    console.result(told, "\n\n".join(_text(each) for each in found))


def _text(found: Searched) -> str:
    """The front as a table, what was chosen, and the bundle."""
    from edgeq.cli.telling import tell_built

    rows = [_row(each, found) for each in _shown(found)]
    head = ("", "recipe", "size", "work", "SQNR dB", "loss", *([found.how] if found.latency else []))
    failed = [words for _, words in found.confirmed if words]
    lines = [
        table(head, rows),
        "",
        f"{len(found.found.results)} trials{_how_complete(found)}, ranked on calibration data that their ranges did "
        "not come from: SQNR before a softmax and points lost are measured on this machine, work (millions of multiply-"
        "accumulates, weighted by the bytes of an activation) is an estimate to sort by.",
        f"Evaluated: {len(found.confirmed)}{', of which ' + str(len(failed)) + ' failed' if failed else ''}.",
        "",
        tell_built([found.built])[1],
    ]
    return "\n".join(lines)


def _row(each: Result, found: Searched) -> tuple[str, ...]:
    from edgeq.searched import told

    measured = found.latency.get(each.recipe.sha256)
    return (
        "*" if each.recipe.sha256 == found.recipe.sha256 else "",
        told(each.recipe),
        format_bytes(each.size_bytes),
        f"{each.work:.2f}",
        f"{each.sqnr_db:.1f}",
        f"{each.loss:+.1f}",
        *(["" if measured is None else f"{measured:,.0f}"] if found.latency else []),
    )


def _shown(found: Searched) -> list[Result]:
    front = list(found.found.front)
    if all(each.recipe.sha256 != found.recipe.sha256 for each in front):
        front += [each for each in found.found.candidates if each.recipe.sha256 == found.recipe.sha256]
    return front


def _how_complete(found: Searched) -> str:
    resumed = f", {found.found.resumed} of them from an earlier search" if found.found.resumed else ""
    return resumed if found.found.complete else f"{resumed}, ended by --search-minutes"
