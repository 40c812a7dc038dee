from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from bundles import MODEL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.bundle import Bundle
from edgeq.errors import ArtifactError, UsageError
from edgeq.model.describe import describe
from edgeq.model.metadata import named_buffer, with_metadata
from edgeq.model.tflite import read_model
from edgeq.passport.embed import MOST_BYTES, NAME, WANTED_BYTES, embedded, extract
from edgeq.runtime import Model


@pytest.fixture
def model(bundle: Bundle) -> bytes:
    return bundle.path("model.tflite").read_bytes()


def test_the_model_alone_tells_where_it_came_from(model: bytes, document: dict[str, Any], bundle: Bundle) -> None:
    found = extract(model, "x")
    assert found is not None
    for key in ("lineage", "versions", "recipe", "name", "target", "about"):
        assert found[key] == document[key]
    assert found["whole_sha256"] == bundle.files["passport.json"][0]
    assert len(named_buffer(model, NAME, MOST_BYTES) or b"") <= WANTED_BYTES
    assert "histograms" in found["left_out"]
    assert "histogram" not in found["calibration"]["inputs"]["image"]
    assert found["calibration"]["inputs"]["image"]["mean"] == document["calibration"]["inputs"]["image"]["mean"]
    Model(model)  # the runtime takes it


def test_a_short_passport_is_whole(document: dict[str, Any]) -> None:
    short = {**document, "model": {**document["model"], "tensors": None}, "calibration": None}
    told = json.loads(embedded(short, "0" * 64))
    assert told == {**short, "whole_sha256": "0" * 64, "left_out": []}


def test_a_passport_never_grows_without_bound(document: dict[str, Any]) -> None:
    long = {**document, "about": {"ethics": "x" * MOST_BYTES}}
    with pytest.raises(UsageError, match="The passport takes"):
        embedded(long, "0" * 64)
    told = json.loads(embedded({**document, "about": {"ethics": "x" * WANTED_BYTES}}, "0" * 64))
    assert len(told["left_out"]) == 5
    assert [each["waived"]["by"] for each in told["findings"]] == ["Ada"]


def test_a_model_without_a_passport() -> None:
    assert extract(MODEL.read_bytes(), "x") is None


def test_a_passport_of_another_model_is_refused(document: dict[str, Any]) -> None:
    foreign = MODEL.read_bytes()
    interface = replace(describe(read_model(foreign)), labels=())
    forged = with_metadata(foreign, interface, name="x", buffers={NAME: embedded(document, "0" * 64)})
    with pytest.raises(ArtifactError, match="tells of another model than the one that it lies in"):
        extract(forged, "x")


def test_one_changed_weight_is_seen(model: bytes) -> None:
    info = read_model(model)
    assert info.weights_bytes > 0
    for place in range(len(model) - 400, len(model) - 600, -50):  # labels lie behind, the model before them
        changed = bytearray(model)
        changed[place] ^= 1
        with pytest.raises(ArtifactError):
            extract(bytes(changed), "x")


def test_a_buffer_larger_than_allowed_is_refused() -> None:
    foreign = MODEL.read_bytes()
    interface = describe(read_model(foreign))
    large = with_metadata(foreign, interface, name="x", buffers={NAME: b"x" * (MOST_BYTES + 1)})
    with pytest.raises(ArtifactError, match=f"has {MOST_BYTES + 1} bytes"):
        extract(large, "x")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_ends_in_one_sentence(model: bytes, data: st.DataObject) -> None:
    changed = bytearray(model[: data.draw(st.integers(8, len(model)))])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(changed), 6000) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    try:
        extract(bytes(changed), "x")
    except ArtifactError as error:
        assert error.message


def test_ranges_of_a_training_stay_in_the_bundle(document: dict[str, Any]) -> None:
    trained = {"schema": 1, "ranges": {"x": [-1.0, 1.0]}, "weights": {"w": [0.5] * 20_000}}
    recipe = {"sha256": "1" * 64, "told": {"mode": "static_wi8_ai8", "trained": trained}}
    told = json.loads(embedded({**document, "recipe": recipe}, "0" * 64))
    assert told["recipe"] == {"sha256": "1" * 64, "told": {"mode": "static_wi8_ai8"}}
    assert told["left_out"][0] == "trained ranges"
