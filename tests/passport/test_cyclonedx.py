"""The bill of materials, held to the official schema by the official library."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeq.bundle import Bundle, canonical_json
from edgeq.passport.cyclonedx import cyclonedx


def validated(document: dict[str, Any]) -> dict[str, Any]:
    pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib is not installed")
    pytest.importorskip("jsonschema", reason="cyclonedx-python-lib[json-validation] is not installed")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = json.dumps(document)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert error is None, str(error)
    return document


def test_the_official_library_takes_it(bundle: Bundle, document: dict[str, Any]) -> None:
    told = validated(cyclonedx(document, bundle.manifest))
    component = told["metadata"]["component"]
    assert component["type"] == "machine-learning-model"
    assert component["hashes"] == [{"alg": "SHA-256", "content": bundle.files["model.tflite"][0]}]
    assert [each["name"] for each in component["pedigree"]["ancestors"]] == ["float.tflite", "tiny.tflite"]
    card = component["modelCard"]
    assert [each["ref"] for each in card["modelParameters"]["datasets"]] == ["data-calibration", "data-evaluation"]
    metrics = {each["type"].split(" (")[0]: each for each in card["quantitativeAnalysis"]["performanceMetrics"]}
    drop = metrics["accuracy, lost"]
    evaluation = document["evaluation"]
    assert float(drop["value"]) == evaluation["drop"]
    assert float(drop["confidenceInterval"]["upperBound"]) == evaluation["drop_high"]
    limits = card["considerations"]["technicalLimitations"]
    assert any("waived by Ada: measured on the board" in text for text in limits)


def test_the_runtime_is_there_with_its_hashes(bundle: Bundle, document: dict[str, Any]) -> None:
    told = cyclonedx(document, bundle.manifest)
    wheels = {each["name"]: each for each in told["components"] if each["type"] == "library"}
    pinned = bundle.manifest["runtime"]["wheels"][0]
    assert pinned["name"] in wheels
    hashes = {each["content"] for component in told["components"] for each in component.get("hashes", [])}
    assert {wheel["sha256"] for wheel in bundle.manifest["runtime"]["wheels"]} <= hashes
    references = [each["bom-ref"] for each in told["components"]]
    assert len(references) == len(set(references))
    assert set(told["dependencies"][0]["dependsOn"]) <= set(references)


def test_of_a_file_by_itself(document: dict[str, Any]) -> None:
    told = validated(cyclonedx(document, None, "ab" * 32))
    assert told["metadata"]["component"]["hashes"][0]["content"] == "ab" * 32
    assert {each["type"] for each in told["components"]} == {"data"}


def test_of_a_model_about_which_nothing_is_known(document: dict[str, Any]) -> None:
    bare = {
        **document,
        "about": {},
        "evaluation": None,
        "calibration": None,
        "recipe": None,
        "findings": [],
        "lineage": {**document["lineage"], "float_sha256": None},
    }
    told = validated(cyclonedx(bare))
    assert "quantitativeAnalysis" not in told["metadata"]["component"]["modelCard"]


def test_slices_have_metrics_of_their_own(document: dict[str, Any]) -> None:
    slices = [{"by": "place", "slice": "night", "samples": 5, "value": 0.5, "float_value": 0.7, "drop": 0.2}]
    told = validated(cyclonedx({**document, "evaluation": {**document["evaluation"], "slices": slices}}))
    metrics = told["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert "place 'night'" in {each.get("slice") for each in metrics}


def test_the_same_passport_gives_the_same_bytes(bundle: Bundle, document: dict[str, Any]) -> None:
    once, again = (canonical_json(cyclonedx(document, bundle.manifest)) for _ in range(2))
    assert once == again
    assert b"timestamp" not in once
    other = cyclonedx({**document, "name": "other"}, bundle.manifest)
    assert other["serialNumber"] != json.loads(once)["serialNumber"]
