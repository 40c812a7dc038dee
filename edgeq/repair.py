"""Repairs before a build: which ranges and repairs a model wants, measured on held-back calibration data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.building.materials import Declared, open_materials
from edgeq.dataset import open_dataset
from edgeq.errors import UsageError
from edgeq.model.names import input_names
from edgeq.quantize.convert import convert, given_mode
from edgeq.quantize.recipe import Recipe
from edgeq.quantize.repair.choose import chosen
from edgeq.quantize.task import in_worker


@dataclass(frozen=True)
class Repaired:
    """The recipe that measured best, and `evidence` of every trial (`edgeq.quantize.repair.choose.Evidence`)."""

    recipe: Recipe
    evidence: Mapping[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """All of it, for a file and for `--json`."""
        return {"recipe": self.recipe.to_json(), **self.evidence}

    @property
    def kept(self) -> Sequence[Mapping[str, Any]]:
        """The trials that changed the recipe."""
        return [trial for trial in self.evidence["trials"] if trial["kept"]]


def repair(
    model: Path,
    data: str | Path | None,
    *,
    declared: Declared,
    recipe: Recipe | None = None,
    samples: int | None = None,
    folder: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Repaired:
    """`recipe`, by default int8 throughout, with the ranges and repairs that measure better; arguments as for `build`.

    `UsageError` for a model that is quantized already, or without data.
    """
    if given_mode(model):
        raise UsageError(f"'{model.name}' is quantized already and cannot be repaired.", "Give the float model.")
    if data is None:
        raise UsageError("Repairs are measured on representative data, and none was given.", "Give --data.")
    opened = partial(open_dataset, inputs=input_names(model), folder=folder, progress=progress)
    materials = open_materials(data, None, declared, samples, opened, progress)
    assert materials.samples is not None and materials.calibration is not None
    numbers = materials.calibration.labels
    labels = None if numbers is None else [int(label) for label in numbers[np.asarray(materials.places)]]
    source = convert(model, None, recipe=Recipe("float32"), progress=progress).float_model
    options = {"recipe": (recipe or Recipe()).to_json(), "labels": labels}
    told = in_worker(chosen, "The repair", source, materials.samples, options, progress)
    return Repaired(Recipe.from_json(told["recipe"]), told["evidence"])
