from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinymodel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from passport_project import ABOUT

from edgeq.bundle import Bundle, canonical_json
from edgeq.errors import ArtifactError
from edgeq.passport.card import card
from edgeq.passport.cyclonedx import cyclonedx
from edgeq.passport.document import SCHEMA, parse, places_sha256
from edgeq.quantize.recipe import Recipe

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def test_the_passport_says_where_the_model_came_from(document: dict[str, Any], project: Path) -> None:
    lineage, model = document["lineage"], document["model"]
    source = (project / "tiny.tflite").read_bytes()
    sha256 = hashlib.sha256(source).hexdigest()
    assert lineage["source"] == {"spec": "tiny.tflite", "kind": "tflite", "sha256": sha256}
    assert lineage["float_sha256"] is not None
    assert (lineage["data"], lineage["eval"], lineage["labels"]) == ("data.npz", "eval.npz", "labels.txt")
    assert document["recipe"] == {"sha256": Recipe().sha256, "told": Recipe().to_json()}
    assert (document["name"], document["target"], document["mode"]) == ("tiny", "rpi-zero-2-w-32", "static_wi8_ai8")
    assert len(model["tensors"]) > 5
    assert model["inputs"] == [{"name": "image", "shape": [1, 8, 8, 1], "dtype": "int8"}]
    assert document["about"] == ABOUT
    assert document["versions"]["numpy"] == np.__version__


def test_the_passport_says_what_calibrated(document: dict[str, Any]) -> None:
    told = document["calibration"]
    assert (told["samples"], told["of"], told["kind"]) == (30, 40, "tensor")
    assert told["classes"] == {"0": 10, "1": 10, "2": 10}
    values = tinymodel.samples(60)[:40]
    assert values.min() <= told["inputs"]["image"]["min"] < -2
    assert told["places_sha256"] != places_sha256(np.arange(30))
    assert len(told["data_sha256"]) == 64


def test_a_waived_finding_is_told_with_whom_and_why(document: dict[str, Any]) -> None:
    told = {finding["code"]: finding for finding in document["findings"]}
    assert told["other-runtime"]["waived"] == {"by": "Ada", "reason": "measured on the board"}
    assert set(told) == {"other-runtime"}, "a waiver that met nothing is told by the build, not of the model"


def test_evaluation_and_passport_are_the_manifests(document: dict[str, Any], bundle: Bundle) -> None:
    assert document["evaluation"] == bundle.manifest["evaluation"]
    assert bundle.manifest["passport_sha256"] == bundle.files["passport.json"][0]
    assert document["calibration"]["data_sha256"] == bundle.manifest["calibration"]["data_sha256"]


def test_there_is_no_machine_in_it(bundle: Bundle, project: Path) -> None:
    for name in (*bundle.files, "manifest.json"):
        content = bundle.path(name).read_bytes()
        for secret in (str(project), str(Path.home()), str(Path.cwd())):
            assert secret == "/" or secret.encode() not in content, f"{name} tells {secret}"


def test_what_was_written_is_read(document: dict[str, Any]) -> None:
    assert parse(canonical_json(document), "x") == document


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"{}", "is none"),
        (b'{"kind": "edgeq-passport", "schema": NaN}', "is damaged: NaN is no number"),
        (b'{"kind": "edgeq-passport", "schema": true}', "is none"),
        (json.dumps({"kind": "edgeq-passport", "schema": SCHEMA + 1}).encode(), "has schema 2; this edgeq knows 1"),
        (b'{"kind": "edgeq-passport", "schema": 1}', "'name' is not what it should be"),
    ],
)
def test_what_is_no_passport_is_told(data: bytes, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        parse(data, "'x'")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_passport_says_is_refused_or_told(document: dict[str, Any], data: st.DataObject) -> None:
    """Any value anywhere is replaced: then it is an ArtifactError, or a card and a bill of materials."""
    changed: Any = json.loads(json.dumps(document))
    place, value = changed, data.draw(JSON)
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inside = place[key]
        if not isinstance(inside, dict | list) or not inside or data.draw(st.integers(0, 3)) == 0:
            place[key] = value
            break
        place = inside
    try:
        read = parse(json.dumps(changed).encode(), "x")
    except ArtifactError as error:
        assert error.message
    else:
        assert card(read).startswith("# ")
        assert cyclonedx(read)["bomFormat"] == "CycloneDX"
