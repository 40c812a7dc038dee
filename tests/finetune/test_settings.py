"""Settings: what is refused, and the recipe that the bits come to."""

from __future__ import annotations

import pytest
from finetune_cases import float_model

from edgeq.errors import UsageError
from edgeq.finetune.settings import RATES, Settings, recipe_for
from edgeq.model.tflite import read_model
from edgeq.quantize.engine.writer import modes


def test_settings_survive_json_and_choose_a_rate_by_the_bits() -> None:
    wanted = Settings(bits=4, epochs=3, seed=9)
    assert Settings.from_json(wanted.to_json()) == wanted
    assert wanted.rate == RATES[4] and Settings(learning_rate=0.5).rate == 0.5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"bits": 5}, "5 bits"),
        ({"augment": "flip"}, "no augmentation 'flip'"),
        ({"held_back": 0.9}, "'held back' is 0.9"),
        ({"epochs": 0}, "'epochs' is 0"),
    ],
)
def test_what_is_out_of_bounds_is_named(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Settings(**wrong)  # type: ignore[arg-type]


def test_with_4_bits_the_first_and_the_last_layer_keep_8() -> None:
    info = read_model(float_model())
    assert recipe_for(info, 8).plain
    chosen = modes(info, recipe_for(info, 4))
    names = [operator.name for operator in info.subgraphs[0].operators]
    assert [name for name, mode in zip(names, chosen, strict=True) if mode == "static_wi8_ai8"] == [
        "CONV_2D",
        "FULLY_CONNECTED",
    ]
    assert set(modes(info, recipe_for(info, 4, mixed=False))) == {"static_wi4_ai8"}
