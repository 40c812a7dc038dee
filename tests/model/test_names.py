"""Names of inputs without TensorFlow."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import tinymodel
from bundles import MODEL

from edgeq.model.names import input_names


def keras(path: Path, config: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def test_files_that_tell_them(tmp_path: Path) -> None:
    assert len(input_names(MODEL)) == 1
    assert input_names(tinymodel.models() / "tiny.keras") == ("image",)
    two = {"config": {"input_layers": [["left", 0, 0], ["right", 0, 0]]}}
    assert input_names(keras(tmp_path / "two.keras", two)) == ("left", "right")
    named = {"config": {"input_layers": {"a": ["left", 0, 0], "b": ["right", 0, 0]}}}
    assert input_names(keras(tmp_path / "named.keras", named)) == ("left", "right")


@pytest.mark.parametrize("config", [None, [], {}, {"config": 3}, {"config": {"layers": []}}], ids=str)
def test_files_that_do_not(tmp_path: Path, config: Any) -> None:
    assert input_names(keras(tmp_path / "m.keras", config)) == ()


def test_what_is_no_model_has_no_names(tmp_path: Path) -> None:
    for name in ("m.keras", "m.tflite", "m.h5"):
        (tmp_path / name).write_text("hello")
        assert input_names(tmp_path / name) == ()
    assert input_names(tmp_path / "none.keras") == ()
