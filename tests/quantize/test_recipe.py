from __future__ import annotations

import pytest

from edgeq.errors import UsageError
from edgeq.quantize.recipe import MODES, Recipe


def test_the_default_is_full_int8_per_channel() -> None:
    recipe = Recipe()
    assert (recipe.mode, recipe.granularity, recipe.io_type) == ("static_wi8_ai8", "channel", "int8")
    assert recipe.needs_samples


@pytest.mark.parametrize(
    ("mode", "io", "activations"),
    [
        ("static_wi8_ai8", "int8", "int8"),
        ("static_wi8_ai16", "int16", "int16"),
        ("dynamic_wi8_afp32", "float32", "float32"),
        ("float16", "float32", "float32"),
        ("float32", "float32", "float32"),
    ],
)
def test_each_mode_has_its_own_types(mode: str, io: str, activations: str) -> None:
    assert mode in MODES
    assert Recipe(mode).io_type == io and Recipe(mode).activations == activations
    assert Recipe(mode, io="float32").io_type == "float32"
    assert Recipe(mode).needs_samples == mode.startswith("static")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mode": "int4"}, "no mode 'int4'"),
        ({"granularity": "block"}, "no granularity of the weights 'block'"),
        ({"io": "int4"}, "no type of inputs and outputs 'int4'"),
        ({"io": "int16"}, "cannot be int16 in the mode static_wi8_ai8"),
        ({"mode": "static_wi8_ai16", "io": "int8"}, "cannot be int8 in the mode static_wi8_ai16"),
        ({"mode": "float16", "io": "int8"}, "cannot be int8 in the mode float16"),
    ],
)
def test_what_no_mode_offers_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Recipe(**given)
    assert caught.value.hint.startswith("Use ")
