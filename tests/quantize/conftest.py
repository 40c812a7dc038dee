"""Conversions cost seconds: this one is made once for all tests of this folder."""

from __future__ import annotations

import pytest
from zoo import images, zoo

from edgeq.quantize.convert import Variants, convert_all
from edgeq.quantize.recipe import MODES, Recipe

RECIPES = (
    *(Recipe(mode) for mode in MODES),
    Recipe(granularity="tensor"),
    Recipe(io="float32"),
    Recipe("static_wi8_ai16", io="float32"),
    Recipe("static_wi8_ai16", "tensor"),
    Recipe("dynamic_wi8_afp32", "tensor"),
)


@pytest.fixture(scope="session")
def variants() -> Variants:
    """The model `wide` by every recipe, from one run of the worker."""
    return convert_all(zoo() / "wide.keras", images(), RECIPES)
