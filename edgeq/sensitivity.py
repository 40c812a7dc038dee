"""The verb `sensitivity`: which layers lose most when a model becomes integers, and what more bits would buy there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from edgeq.building.materials import UNDECLARED, Declared, open_materials
from edgeq.dataset import open_dataset
from edgeq.errors import UsageError
from edgeq.model.names import input_names
from edgeq.quantize.convert import convert, given_mode
from edgeq.quantize.recipe import STATIC, Recipe
from edgeq.quantize.sensitivity import FEW, analyse
from edgeq.quantize.task import in_worker


def sensitivity(
    model: Path,
    data: str | Path,
    *,
    declared: Declared = UNDECLARED,
    recipe: Recipe | None = None,
    samples: int | None = None,
    compared: int = FEW,
    folder: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """`edgeq.quantize.sensitivity.analyse` for a model and its representative data, as for `build`.

    `compared` samples are compared on. `UsageError` for a model that is quantized already, or a recipe of floats.
    """
    if given_mode(model):
        raise UsageError(
            f"'{model.name}' is quantized already: there is no float model to compare with.", "Give the float model."
        )
    wanted = recipe or Recipe()
    if wanted.mode not in STATIC:
        raise UsageError(f"In the mode {wanted.mode} activations stay floats.", f"Use one of {', '.join(STATIC)}.")
    opened = partial(open_dataset, inputs=input_names(model), folder=folder, progress=progress)
    materials = open_materials(data, None, declared, samples, opened, progress)
    assert materials.samples is not None
    source = convert(model, None, recipe=Recipe("float32"), progress=progress).float_model
    options = {"recipe": wanted.to_json(), "samples": compared}
    found: dict[str, Any] = in_worker(analyse, "The analysis", source, materials.samples, options, progress)
    return {"model": str(model), **found}
