"""Conversions cost seconds: this one is made once a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from once import once
from zoo import RECIPES, images, zoo

from edgeq.quantize.convert import Variants, convert_all


@pytest.fixture(scope="session")
def variants() -> Variants:
    """The model `wide` by every recipe, from one run of the worker."""
    folder = once("variants", _convert)
    models = {recipe: (folder / f"{index}.tflite").read_bytes() for index, recipe in enumerate(RECIPES)}
    return Variants((folder / "float.tflite").read_bytes(), models)


def _convert(folder: Path) -> None:
    found = convert_all(zoo() / "wide.keras", images(), RECIPES)
    (folder / "float.tflite").write_bytes(found.float_model)
    for index, recipe in enumerate(RECIPES):
        (folder / f"{index}.tflite").write_bytes(found.models[recipe])
