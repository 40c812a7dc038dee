"""Trained ranges: in a recipe, in its file, and told apart from what is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.quantize.recipe import Ranging, Recipe
from edgeq.quantize.recipe_file import RANGES, read_recipe, write_recipe
from edgeq.quantize.trained import Trained, read_trained

numbers = st.floats(0, 2.0**100, width=32)
names = st.text(min_size=1, max_size=12)
pairs = st.dictionaries(names, st.tuples(numbers.map(lambda value: -value), numbers), max_size=4)
largest = st.dictionaries(names, st.lists(numbers, min_size=1, max_size=4), max_size=4)
SOME = Trained.of({"b": (-1.0, 2.0), "a": (0.0, 0.1)}, {"w": [0.5, 0.25]})


@settings(max_examples=60)
@given(ranges=pairs, weights=largest)
def test_they_survive_json_and_keep_every_float32(
    ranges: dict[str, tuple[float, float]], weights: dict[str, list[float]]
) -> None:
    found = Trained.of(ranges, weights)
    again = Trained.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found and hash(again) == hash(found)
    assert {name: (np.float32(low), np.float32(high)) for name, low, high in found.ranges} == ranges
    assert {name: np.asarray(values, np.float32).tolist() for name, values in found.weights} == weights


def test_numbers_are_as_short_as_float32_allows_and_names_in_order() -> None:
    assert SOME.ranges == (("a", 0.0, 0.1), ("b", -1.0, 2.0))
    assert Trained.of({"a": (0.0, float(np.float32(0.1)))}, {}).ranges == SOME.ranges[:1]


def test_a_recipe_holds_their_content_and_its_file_their_name(tmp_path: Path) -> None:
    recipe = Recipe(trained=SOME)
    (tmp_path / "recipe.toml").write_text(write_recipe(recipe), encoding="utf-8")
    (tmp_path / RANGES).write_text(json.dumps(SOME.to_json()), encoding="utf-8")
    assert read_recipe(tmp_path / "recipe.toml") == recipe == Recipe.from_json(recipe.to_json())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.json").write_text(json.dumps(SOME.to_json(), indent=3), encoding="utf-8")
    (elsewhere / "r.toml").write_text('trained = "other.json"\n', encoding="utf-8")
    assert read_recipe(elsewhere / "r.toml").sha256 == recipe.sha256 != Recipe().sha256
    changed = Trained.of({"b": (-1.0, 2.0), "a": (0.0, 0.1)}, {"w": [0.5, 0.250001]})
    assert replace(recipe, trained=changed).sha256 != recipe.sha256
    assert not recipe.plain


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"repairs": ["equalize"]}, "the repair equalize would part them"),
        ({"ranges": "mse"}, "another method or headroom would part them"),
        ({"ranges": {"headroom": 2}}, "another method or headroom would part them"),
        ({"mode": "float16"}, "The mode float16 has no ranges"),
    ],
)
def test_nothing_else_has_a_say_in_them(told: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Recipe.from_json({**told, "trained": SOME.to_json()})
    assert caught.value.hint
    assert Recipe(io="float32", trained=SOME).io_type == "float32"
    assert Ranging() == Recipe(trained=SOME).ranges


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[1]",
        "no",
        json.dumps({**SOME.to_json(), "schema": 9}),
        json.dumps({**SOME.to_json(), "ranges": {"a": [0.5, 1.0]}}),
        json.dumps({**SOME.to_json(), "ranges": {"a": [0.0, 1.0, 2.0]}}),
        json.dumps({**SOME.to_json(), "ranges": {"a": [0.0, float("inf")]}}),
        json.dumps({**SOME.to_json(), "weights": {"w": []}}),
        json.dumps({**SOME.to_json(), "weights": {"w": [-1.0]}}),
        json.dumps({**SOME.to_json(), "weights": {"w": "12"}}),
    ],
)
def test_what_is_none_is_refused_with_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / RANGES).write_text(text, encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(f'trained = "{RANGES}"', encoding="utf-8")
    with pytest.raises(UsageError, match=r"ranges\.json.*cannot be read") as caught:
        read_recipe(tmp_path / "recipe.toml")
    assert "edgeq finetune" in caught.value.hint


def test_a_file_that_is_not_there_or_no_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_trained(tmp_path / "none.json")
    (tmp_path / "r.toml").write_text("[trained]\nschema = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"r\.toml: 'trained' of a recipe's file is the name of a file"):
        read_recipe(tmp_path / "r.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        Recipe.from_json({"trained": "ranges.json"})
