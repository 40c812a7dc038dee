"""A recipe's file: read, written, and told what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import UsageError
from edgeq.quantize.recipe import METHODS, MODES, REPAIRS, Override, Ranging, Recipe
from edgeq.quantize.recipe_file import read_recipe, write_recipe

texts = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), min_size=1, max_size=20)
overrides = st.builds(
    Override,
    mode=st.sampled_from([mode for mode in MODES if mode != "float16"]),
    op=st.sampled_from(["", "CONV_2D"]),
    layer=texts,
    granularity=st.sampled_from(["channel", "tensor"]),
)


def lenient(repairs: tuple[str, ...], **given: object) -> Recipe:
    """Without repairs where the mode has none, or where they do not go together."""
    try:
        return Recipe(repairs=repairs, **given)  # type: ignore[arg-type]
    except UsageError:
        return Recipe(**given)  # type: ignore[arg-type]


recipes = st.builds(
    lenient,
    mode=st.sampled_from([mode for mode in MODES if mode != "float16"]),
    granularity=st.sampled_from(["channel", "tensor"]),
    io=st.sampled_from(["auto", "float32"]),
    ranges=st.builds(Ranging, st.sampled_from(METHODS), st.floats(0.5, 16), st.floats(0, 0.5)),
    repairs=st.sets(st.sampled_from(REPAIRS), max_size=3).map(
        lambda some: tuple(name for name in REPAIRS if name in some)
    ),
    overrides=st.lists(overrides, max_size=3).map(tuple),
)


@given(recipe=recipes)
def test_a_recipe_survives_its_file(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "recipe.toml"
    path.write_text(write_recipe(recipe), encoding="utf-8")
    assert read_recipe(path) == recipe
    assert read_recipe(path).sha256 == recipe.sha256


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mode = 'int8'", "There is no mode 'int8'"),
        ("mod = 'float32'", "A recipe has no 'mod' there"),
        ("mode = 8", "'mode' of a recipe cannot be 8"),
        ("mode = ", "is not TOML"),
        ("ranges = 'widest'", "There is no method for ranges 'widest'"),
        ("[ranges]\nheadroom = 99", "headroom of ranges is 99"),
        ("repairs = ['pray']", "There is no repair 'pray'"),
        ("[[override]]\nmode = 'float32'", "says which operators it is for"),
        ("[[override]]\nop = 'CONV_2D'", "There is no mode ''"),
        ("[[override]]\nmode = 'float16'\nop = 'ADD'", "float16 is a mode of whole models"),
        ("[[override]]\nmode = 'float32'\ntensor = '('", "is no regular expression"),
        ("override = 3", "'override' of a recipe is a list of tables"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"r\.toml") as caught:
        read_recipe(path)
    assert words in caught.value.message and caught.value.hint


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml' cannot be read"):
        read_recipe(tmp_path / "none.toml")
