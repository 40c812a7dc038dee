"""TFLite metadata: the model computes the same, other readers find what the interface says."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import MODEL
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.interface import Interface
from edgeq.model.describe import describe
from edgeq.model.flatbuffer import FlatBuffer, Table
from edgeq.model.metadata import NAME, describe_model, labels_of, with_metadata
from edgeq.model.tflite import read_model
from edgeq.runtime import Model

IMAGE = {"input": "image", "steps": [{"do": "colour", "order": "gray"}, {"do": "scale", "multiply": 0.5, "add": -1.0}]}


@pytest.fixture(scope="module")
def model() -> bytes:
    return MODEL.read_bytes()


def interface(model: bytes, **changes: Any) -> Interface:
    return replace(describe(read_model(model), ("left", "right", "none")), **changes)


def metadata(model: bytes) -> list[bytes]:
    """Every buffer that a metadata entry of the right name refers to."""
    root = FlatBuffer(model).root()
    buffers = list(root.tables(4))
    entries = [entry.integer(1, "I") for entry in root.tables(6) if entry.text(0) == NAME]
    vectors = [(buffers[index].vector(0, 1), buffers[index]) for index in entries]
    return [model[start : start + count] for (start, count), _ in vectors]


def tables(table: Table | None, field: int) -> list[Table]:
    return list(table.tables(field)) if table else []


def test_the_model_computes_the_same(model: bytes) -> None:
    extended = with_metadata(model, interface(model), name="tiny")
    before, after = Model(model), Model(extended)
    assert (before.inputs, before.outputs) == (after.inputs, after.outputs)
    for seed in range(4):
        data = np.random.default_rng(seed).integers(-128, 128, before.inputs[0].size_bytes, np.int8).tobytes()
        assert before.invoke([data]) == after.invoke([data])
    assert read_model(extended).op_counts() == read_model(model).op_counts()
    assert with_metadata(model, interface(model), name="tiny") == extended


def test_written_twice_the_last_one_holds(model: bytes) -> None:
    once = with_metadata(model, interface(model), name="one")
    twice = with_metadata(once, interface(model, labels=("a", "b", "c")), name="two")
    assert labels_of(once) == ("left", "right", "none")
    assert labels_of(twice) == ("a", "b", "c")
    (found,) = metadata(twice)
    assert found[4:8] == b"M001"
    assert FlatBuffer(found).root().text(0) == "two"
    Model(twice)


def test_what_the_interface_says_is_told(model: bytes) -> None:
    told = describe_model(interface(model, preprocess=IMAGE, threshold=0.25), "tiny", "3")
    root = FlatBuffer(told).root()
    assert (root.text(0), root.text(2), root.text(7)) == ("tiny", "3", "1.0.0")
    (graph,) = root.tables(3)
    (source,), (result,) = tables(graph, 2), tables(graph, 3)
    content = source.table(3)
    assert content is not None
    assert content.integer(0, "B") == 2  # ImageProperties
    space = content.table(1)
    assert space is not None
    assert space.integer(0, "b") == 2  # GRAYSCALE
    (unit,) = source.tables(4)
    options = unit.table(1)
    assert options is not None
    assert options.numbers(0, "float32").tolist() == [2.0]  # x * 0.5 - 1 = (x - 2) / 2
    assert options.numbers(1, "float32").tolist() == [2.0]
    (threshold,) = result.tables(4)
    assert threshold.integer(0, "B") == 3  # ScoreThresholdingOptions
    (labels,) = result.tables(6)
    assert (labels.text(0), labels.integer(2, "b")) == ("labels.txt", 2)


@pytest.mark.parametrize(("kind", "content"), [("audio", 4), ("features", 1)])
def test_other_inputs(model: bytes, kind: str, content: int) -> None:
    preprocess = {"input": kind, "rate_hz": 16000, "steps": []}
    root = FlatBuffer(describe_model(interface(model, preprocess=preprocess), "tiny")).root()
    (graph,) = root.tables(3)
    (source,) = graph.tables(2)
    found = source.table(3)
    assert found is not None
    assert found.integer(0, "B") == content
    properties = found.table(1)
    assert properties is not None
    assert properties.integer(0, "I") == (16000 if kind == "audio" else 0)


def test_a_model_without_labels_gets_no_archive(model: bytes) -> None:
    extended = with_metadata(model, interface(model, labels=()), name="tiny")
    assert not zipfile.is_zipfile(io.BytesIO(extended))
    assert labels_of(extended) == ()


@given(st.binary(max_size=200))
def test_foreign_archives_do_no_harm(tail: bytes) -> None:
    assert labels_of(b"TFL3" + tail) == ()


@settings(max_examples=50)
@given(
    st.text(max_size=60),
    st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1), min_size=3, max_size=3),
)
def test_any_names_and_labels(name: str, labels: list[str]) -> None:
    model = MODEL.read_bytes()
    extended = with_metadata(model, interface(model, labels=tuple(labels)), name=name)
    assert labels_of(extended) == tuple(labels)
    assert FlatBuffer(metadata(extended)[0]).root().text(0) == name.encode("utf-8", "replace").decode("utf-8")


def test_the_official_models(shared_models: Path) -> None:
    data = (shared_models / "kws_mlperf_int8.tflite").read_bytes()
    extended = with_metadata(data, describe(read_model(data), tuple("abcdefghijkl")), name="kws")
    runner, given_one = Model(data), Model(extended)
    raw = np.random.default_rng(0).integers(-128, 128, runner.inputs[0].size_bytes, np.int8).tobytes()
    assert runner.invoke([raw]) == given_one.invoke([raw])
