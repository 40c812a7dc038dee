"""The command `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli.base import app, command, console
from edgeq.errors import GateFailed, UsageError


@command(app)
def evaluate(
    model: Annotated[
        Path | None, typer.Argument(help="A model, quantized or not, or a bundle's folder.", show_default=False)
    ] = None,
    eval_data: Annotated[
        str | None, typer.Option("--eval", help="Labelled samples: a file, a folder or module:function (docs/data.md).")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="The float model to compare with; by default the project's.", show_default=False)
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="accuracy, top-K, f1, auc, miou, mae, mse or module:function.")
    ] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help="A column to slice by, or label; may be given several times.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="A column whose equal entries make one sample, such as a clip's name.")
    ] = None,
    max_drop: Annotated[float | None, typer.Option(help="A gate: what all samples may lose, in points.", min=0)] = None,
    max_slice_drop: Annotated[float | None, typer.Option(help="A gate: what each slice may lose.", min=0)] = None,
    least: Annotated[int | None, typer.Option(help="Smaller slices are told and not judged.", min=1)] = None,
    corrupt: Annotated[bool, typer.Option("--corrupt", help="Evaluate on worse inputs, in five severities.")] = False,
    corruption: Annotated[
        list[str] | None, typer.Option("--corruption", help="Only this one; may be given several times.")
    ] = None,
    other: Annotated[
        str | None, typer.Option("--out-of-distribution", help="Samples of another kind, to be told apart.")
    ] = None,
    kernels: Annotated[
        str | None, typer.Option(help="xnnpack, builtin, reference or edgeq-micro; of a bundle its own.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Names of the classes, one a line.")] = None,
) -> None:
    """Evaluate a model beside its float one, on the same samples and by slices; exit code 1 where a gate fails.

    Example: edgeq evaluate build/digits-rpi4 --eval test.npz --against digits.keras --slice writer --max-slice-drop 5
    Example: edgeq evaluate model.tflite --eval test/ --against float.tflite --corrupt --out-of-distribution other/
    """
    from edgeq.asked import SUITE
    from edgeq.cli.telling_evaluation import tell_evaluated
    from edgeq.evaluate.gates import failures, needing_reference
    from edgeq.evaluate.verb import evaluate as evaluate_model
    from edgeq.project import load_project

    project = load_project()
    path, spec = model or project.model, eval_data or project.eval
    if path is None or spec is None:
        raise UsageError("A model and labelled samples are needed.", "edgeq evaluate MODEL --eval DATA")
    if against is None and project.model is not None and project.model.resolve() != path.resolve():
        against = project.model
    asked = project.evaluation.merged(
        metric=metric,
        slices=tuple(slices) if slices else None,
        group=group,
        max_drop=max_drop,
        max_slice_drop=max_slice_drop,
        least=least,
        corruptions=tuple(corruption) if corruption else SUITE if corrupt else None,
        out_of_distribution=other,
    )
    if against is None and needing_reference(asked):
        raise UsageError(
            f"{needing_reference(asked)[0]} is a gate on what is lost beside the float model, and there is none.",
            "Name the float model: --against FLOAT",
        )
    found = evaluate_model(
        path,
        spec,
        against,
        asked=asked,
        labels=labels or project.labels,
        preprocess=project.preprocess,
        kernels=kernels or "",
        folder=project.root,
        progress=console.progress,
    )
    failed = failures(found.document or {}, asked)
    console.result(*tell_evaluated(found, failed, needing_reference(asked)))
    if failed:
        raise typer.Exit(GateFailed.exit_code)
