from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from bundles import MODEL, make_bundle
from forged import forged

from edgeq.bundle import Bundle, canonical_json, write_bundle
from edgeq.errors import ArtifactError, UsageError
from edgeq.passport.bundled import passport_in, passport_of


def test_bundle_and_file_tell_the_same(bundle: Bundle, document: dict[str, Any]) -> None:
    assert passport_of(bundle) == document
    assert passport_in(bundle.path("model.tflite"))["lineage"] == document["lineage"]


def test_a_bundle_without_a_passport(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no passport"):
        passport_of(make_bundle(tmp_path / "b"))


def test_a_passport_beside_another_model_is_refused(bundle: Bundle, document: dict[str, Any], tmp_path: Path) -> None:
    members = {name: bundle.path(name).read_bytes() for name in bundle.files}
    members["passport.json"] = canonical_json({**document, "name": "better"})
    with pytest.raises(ArtifactError, match="does not belong to the passport beside it"):
        passport_of(write_bundle(tmp_path / "b", members, bundle.manifest))


def test_a_forgery_that_is_right_throughout_is_read(bundle: Bundle, tmp_path: Path) -> None:
    assert passport_of(forged(bundle, tmp_path / "b", name="better"))["name"] == "better"


def test_files_that_hold_none(tmp_path: Path) -> None:
    shutil.copy(MODEL, tmp_path / "m.tflite")
    with pytest.raises(UsageError, match="carries no passport"):
        passport_in(tmp_path / "m.tflite")
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"is no \.tflite model"):
        passport_in(tmp_path / "x")
    with pytest.raises(UsageError, match="cannot be read"):
        passport_in(tmp_path / "none")
