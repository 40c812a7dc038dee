"""Overrides that meet nothing are refused before a model is written."""

from __future__ import annotations

import sys

import pytest
import tinymodel

from edgeq.errors import UsageError
from edgeq.model.tflite import read_model
from edgeq.quantize.convert import convert
from edgeq.quantize.engine.writer import check_overrides
from edgeq.quantize.recipe import Override, Recipe
from edgeq.quantize.sensitivity import pattern_of

WIDE = "static_wi8_ai16"


def check(*overrides: Override) -> None:
    check_overrides(read_model(tinymodel.converted().float_model), Recipe(overrides=overrides))


def test_overrides_that_meet_something() -> None:
    graph = read_model(tinymodel.converted().float_model).subgraphs[0]
    check(*(Override(WIDE, tensor=pattern_of(graph, each)) for each in graph.operators))
    check(Override("float32", op="INPUT", tensor="^image"), Override("float32", op="OUTPUT"))
    check(Override(WIDE, op="DIV"))  # a recipe may be for several models


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (Override(WIDE, layer="conv_99"), "'conv_99', and the model has no operator with such an output"),
        (Override(WIDE, tensor="^nothing$"), "no operator with such an output"),
        (Override(WIDE, op="DIV", tensor="."), "no operator of type DIV with such an output"),
        (Override(WIDE, op="CONV2D"), "names the operator 'CONV2D'"),
    ],
)
def test_overrides_that_meet_nothing(override: Override, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check(override)


def test_without_the_library_an_operator_cannot_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    model = read_model(tinymodel.converted().float_model)
    monkeypatch.delitem(sys.modules, "litert_quantizer.qtyping", raising=False)
    monkeypatch.setitem(sys.modules, "litert_quantizer", None)
    with pytest.raises(UsageError, match="needs litert-quantizer"):
        check_overrides(model, Recipe(overrides=(Override(WIDE, op="DIV"),)))


def test_the_worker_tells_it_as_it_is() -> None:
    recipe = Recipe(overrides=(Override(WIDE, op="CONV2D"),))
    with pytest.raises(UsageError, match=r"^An override names the operator 'CONV2D'"):
        convert(tinymodel.models() / "tiny.keras", tinymodel.samples(), recipe=recipe)
