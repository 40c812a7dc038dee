"""The command `finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgeq.cli.base import app, command, console
from edgeq.errors import UsageError


@command(app)
def finetune(
    model: Annotated[
        Path | None, typer.Argument(help=".keras, .h5, a SavedModel or a float .tflite.", show_default=False)
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Samples to train on, with labels or without (docs/data.md).")
    ] = None,
    eval_data: Annotated[
        str | None, typer.Option("--eval", help="Labelled samples, looked at once, at the end.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Names of the classes, one a line.")] = None,
    bits: Annotated[int, typer.Option(help="Bits of a weight: 8 or 4.")] = 8,
    epochs: Annotated[int, typer.Option(help="Passes over the samples.", min=1)] = 20,
    minutes: Annotated[float, typer.Option(help="End after so many minutes; 0: no limit.", min=0)] = 0,
    learning_rate: Annotated[float, typer.Option(help="0 chooses by the bits.", min=0)] = 0,
    batch: Annotated[int, typer.Option(help="Samples in one step.", min=1)] = 32,
    held_back: Annotated[float, typer.Option(help="Share of the samples to judge by.")] = 0.2,
    augment: Annotated[str, typer.Option(help="Variants of samples: auto, none, mix or image.")] = "auto",
    seed: Annotated[int, typer.Option(help="The same seed gives the same training.")] = 0,
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Leave labels that the data has unused.")] = False,
    all_layers: Annotated[
        bool, typer.Option("--all-layers", help="With 4 bits also in the first and the last layer.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--output-dir", "-o", help="Where the results go.")] = None,
) -> None:
    """Train a model so that it loses less in integers; the float model teaches, labels help where there are some.

    Ctrl-C ends the training and keeps the best so far. A model that tensorflow-model-optimization has trained is taken
    over as it is.

    Example: edgeq finetune model.keras --data train.npz --eval test.npz --bits 4 --minutes 20
    """
    from edgeq.building.materials import declared_by
    from edgeq.cli.telling_finetune import tell_finetuned
    from edgeq.finetune.finetune import finetune as train
    from edgeq.finetune.settings import Settings
    from edgeq.project import load_project

    project = load_project()
    path, samples = model or project.model, data or project.data
    if path is None or samples is None:
        raise UsageError("A model and samples to train on are needed.", "edgeq finetune MODEL --data TRAIN")
    settings: dict[str, Any] = {
        **{"bits": bits, "epochs": epochs, "minutes": minutes, "learning_rate": learning_rate, "batch": batch},
        **{"seed": seed, "held_back": held_back, "augment": augment, "mixed": not all_layers},
    }
    found = train(
        path,
        samples,
        out or Path(f"{path.stem}-qat{bits}"),
        settings=Settings(**settings),
        eval_data=eval_data or project.eval,
        declared=declared_by(project, labels),
        use_labels=not unlabelled,
        folder=project.root,
        progress=console.progress,
    )
    console.result(*tell_finetuned(found, project.targets))
