"""Conversions cost seconds: this one is made once for all tests of this folder."""

from __future__ import annotations

import pytest
from zoo import RECIPES, images, zoo

from edgeq.quantize.convert import Variants, convert_all


@pytest.fixture(scope="session")
def variants() -> Variants:
    """The model `wide` by every recipe, from one run of the worker."""
    return convert_all(zoo() / "wide.keras", images(), RECIPES)
