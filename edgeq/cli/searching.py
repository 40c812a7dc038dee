"""What `edgeq build --max-accuracy-drop` does and shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeq.cli.base import console, declared, open_address
from edgeq.console import table
from edgeq.errors import UsageError
from edgeq.units import format_bytes

if TYPE_CHECKING:
    from edgeq.project import Project
    from edgeq.search.trial import Result
    from edgeq.searched import Searched
    from edgeq.target import TargetProfile


def search_and_tell(
    project: Project,
    targets: Sequence[TargetProfile],
    given: Mapping[str, Any],
    options: Mapping[str, Any],
    measure: str,
) -> None:
    """Search, build, and print the result; `given` are the arguments of the command, `options` those of `Plan`."""
    from edgeq.cli.telling import tell_built
    from edgeq.search.search import Plan
    from edgeq.searched import Job, build_searched, document

    model, data = given["model"] or project.model, given["data"] or project.data
    evaluation = given["eval_data"] or project.eval
    if model is None or data is None or evaluation is None:
        raise UsageError(
            "A search needs a model, representative data, and a labelled set that the floor is judged on.",
            "edgeq build MODEL --target T --data CAL --eval SET --max-accuracy-drop 0.5",
        )
    if not targets:
        raise UsageError("There is no target to build for.", "Give --target; 'edgeq targets' lists them.")
    job = Job(
        model,
        data,
        evaluation,
        declared(project, given["labels"]),
        given["samples"],
        project.root,
        given["out"] or project.out,
        project.name or None if given["model"] is None else None,
    )
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
