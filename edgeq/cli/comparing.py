"""The command `compare`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli.base import app, command, console
from edgeq.errors import UsageError

if TYPE_CHECKING:
    from edgeq.compare import Waiver

_DEGRADED = "'edgeq report RUN' says what to do; then bench again, or waive 'degraded_run'."
_WHO = ("EDGEQ_WAIVED_BY", "GITHUB_ACTOR", "GITLAB_USER_LOGIN")


@command(app)
def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BASE] [NEW]...", help="run.json files, folders of benches, or a baseline.", show_default=False
        ),
    ] = None,
    base: Annotated[
        list[Path] | None, typer.Option(help="A run of the base; may be given several times.", show_default=False)
    ] = None,
    new: Annotated[
        list[Path] | None, typer.Option(help="A new run; may be given several times.", show_default=False)
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Which figures count, and how much worse each may get: a TOML file.")
    ] = None,
    waive: Annotated[
        list[str] | None,
        typer.Option(metavar='CODE="REASON"', help="Compare in spite of this objection; who and why are recorded."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a comment for a pull request here.")] = None,
    save_baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the runs as a baseline, small enough for git.")
    ] = None,
    show_policy: Annotated[bool, typer.Option("--show-policy", help="Print the policy and do nothing else.")] = False,
) -> None:
    """Compare new runs with a base, on raw samples; exit code 1 on a regression, 2 where it would mislead.

    Example: edgeq compare base.json new.json --policy policy.toml --markdown comment.md
    Example: edgeq compare --base a1.json --base a2.json --new b1.json --new b2.json
    Example: edgeq compare --save-baseline baseline.json run.json
    """
    from edgeq.compare import DEFAULT, read_policy
    from edgeq.compare import compare as compare_sides
    from edgeq.render.compared import render_comparison, write_comparison
    from edgeq.render.compared.json import document

    if show_policy:
        asked = policy and read_policy(policy)
        text = policy.read_text(encoding="utf-8") if asked and policy else DEFAULT
        console.result({"policy": asked.name if asked else "default", "toml": text}, text.rstrip())
        return
    if save_baseline:
        _save(save_baseline, [*(runs or ()), *(base or ()), *(new or ())])
        return
    sides = _sides(runs or [], base or [], new or [])
    made = compare_sides(*sides, read_policy(policy) if policy else None, [_waiver(text) for text in waive or ()])
    for form, path in (("junit", junit), ("markdown", markdown)):
        if path:
            write_comparison(made, form, path)
    console.result(document(made), render_comparison(made, "text").rstrip())
    if made.exit_code:
        raise typer.Exit(made.exit_code)


def _save(path: Path, runs: Sequence[Path]) -> None:
    from edgeq.compare import save_baseline

    kept = save_baseline(path, runs)
    size = path.stat().st_size
    codes = sorted({issue.code for run in kept for issue in run.issues if issue.severity == "degraded"})
    document = {"baseline": str(path), "runs": len(kept), "bytes": size, "degraded": codes}
    told = f"Baseline: {path}, {len(kept)} run{'' if len(kept) == 1 else 's'}, {size:,} bytes."
    if codes:
        told += f"\nIt holds degraded runs ({', '.join(codes)}), and figures against them are refused. {_DEGRADED}"
    console.result(document, told)


def _sides(runs: list[Path], base: list[Path], new: list[Path]) -> tuple[list[Path], list[Path]]:
    """The files of both sides; of bare ones the first is the base, unless an option names it."""
    if runs and base and new:
        raise UsageError(f"Is {runs[0]} base or new?", "Give it with --base or --new.")
    if base:
        return base, new or runs
    if new:
        return runs, new
    return runs[:1], runs[1:]


def _waiver(text: str) -> Waiver:
    from edgeq.compare import read_waiver

    code, _, reason = text.partition("=")
    if not reason.strip():
        raise UsageError(f"A waiver needs a code and a reason; this says '{text}'.", '--waive other_threads="a trial"')
    return read_waiver(code.strip(), _who(), reason)


def _who() -> str:
    """Who waives: what a CI server says, else the user of this machine."""
    said = next((os.environ[name] for name in _WHO if os.environ.get(name)), "")
    if said:
        return said
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise UsageError("Who waives it is not known.", f"Say it: {_WHO[0]}=name edgeq compare ...") from error
