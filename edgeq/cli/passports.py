"""Commands about where a model came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeq.cli.base import app, command, console

if TYPE_CHECKING:
    from edgeq.bundle import Bundle
    from edgeq.reproduce import Reproduced

FORMATS = ("card", "json", "cyclonedx")


@command(app)
def passport(
    path: Annotated[Path, typer.Argument(metavar="FILE|BUNDLE", help="A .tflite that edgeq built, or a bundle.")],
    form: Annotated[str, typer.Option("--format", help="card (Markdown), json, or cyclonedx (ML-BOM 1.6).")] = "card",
    out: Annotated[Path | None, typer.Option("--output", "-o", help="Write it there instead of showing it.")] = None,
) -> None:
    """Tell where a model came from: model card, passport or CycloneDX bill of materials. The model file is enough.

    With --json the document is the passport, or the bill of materials with --format cyclonedx.

    Example: edgeq passport build/digits-rpi4 --format cyclonedx -o digits.cdx.json
    """

    from edgeq.bundle import canonical_json, read_bundle
    from edgeq.errors import UsageError
    from edgeq.passport.bundled import passport_in, passport_of
    from edgeq.passport.card import card
    from edgeq.passport.cyclonedx import cyclonedx
    from edgeq.passport.origin import model_sha256 as sha256_of

    if form not in FORMATS:
        raise UsageError(f"There is no format '{form}'.", f"Use {', '.join(FORMATS)}.")
    bundle = read_bundle(path) if path.is_dir() else None
    document = passport_of(bundle) if bundle else passport_in(path)
    if form == "cyclonedx":
        document = cyclonedx(document, bundle.manifest) if bundle else cyclonedx(document, None, sha256_of(path))
    text = card(document) if form == "card" else canonical_json(document).decode()
    if out is None:
        console.result(document, text.rstrip("\n"))
        return
    try:
        out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"'{out}' cannot be written: {error.strerror}.", "Give another file (-o).") from error
    console.result({"file": str(out)}, f"{out} was written.")


@command(app)
def reproduce(
    bundle: Annotated[Path, typer.Argument(help="A bundle that edgeq built.")],
    model: Annotated[Path | None, typer.Option(help="The model, where it lies elsewhere.")] = None,
    data: Annotated[str | None, typer.Option(help="The representative samples, likewise.")] = None,
    eval_data: Annotated[str | None, typer.Option("--eval", help="The labelled samples, likewise.")] = None,
    labels: Annotated[Path | None, typer.Option(help="The names of the classes, likewise.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="The recipe's file, likewise.")] = None,
) -> None:
    """Build a bundle once more from its inputs and prove that it is the same; exit code 1 where it is not.

    The inputs are those that the bundle's passport names, in the project or the current folder, unless given.

    Example: edgeq reproduce build/digits-rpi4
    """
    import os

    from edgeq.bundle import read_bundle
    from edgeq.errors import GateFailed
    from edgeq.project import load_project
    from edgeq.reproduce import reproduce as reproduce_bundle

    then = read_bundle(bundle)
    project = load_project()
    found = reproduce_bundle(
        then,
        Path(os.path.relpath(project.root)),
        model=model,
        data=data,
        eval_data=eval_data,
        labels=labels,
        recipe=recipe,
        functions=[each for each in (project.data, project.eval, project.evaluation.metric) if isinstance(each, str)],
        progress=console.progress,
    )
    console.result(*_tell(found, then))
    if not found.same:
        raise typer.Exit(GateFailed.exit_code)


def _tell(found: Reproduced, bundle: Bundle) -> tuple[Any, str]:
    from dataclasses import asdict

    document = {"folder": str(bundle.folder), "same": found.same, **asdict(found)}
    if found.same:
        return (
            document,
            f"{bundle.folder} is reproduced: the same {len(bundle.files) + 1} files, digest {found.digest}.",
        )
    lines = [f"{bundle.folder} is not reproduced."]
    if found.difference:
        lines += [
            f"  differs  {found.difference.where}",
            f"  then     {found.difference.then}",
            f"  now      {found.difference.now}",
        ]
    lines += [f"  version  {name}: {then} then, {now} now" for name, (then, now) in found.versions.items()]
    if found.now:
        lines.append(f"  digest   {found.digest[:12]} then, {found.now[:12]} now")
    return document, "\n".join(lines)
