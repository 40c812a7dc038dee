"""SavedModel folders that are not whole; what converts is tried in tests/quantize/test_front_ends.py."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgeq.errors import ConvertError
from edgeq.quantize.convert import convert
from edgeq.quantize.recipe import Recipe


def test_a_folder_that_is_not_whole_is_told(shared_models: Path, tmp_path: Path) -> None:
    whole = shared_models / "kws_savedmodel"
    for name in ("without", "damaged"):
        (tmp_path / name).mkdir()
        shutil.copy(whole / "saved_model.pb", tmp_path / name)
    damaged = tmp_path / "damaged" / "saved_model.pb"
    damaged.write_bytes(damaged.read_bytes()[:500])
    with pytest.raises(ConvertError, match="'without' lacks its folder of variables") as caught:
        convert(tmp_path / "without", None, recipe=Recipe("float32"))
    assert "variables/" in caught.value.hint
    with pytest.raises(ConvertError, match=r"'damaged' cannot be read: saved_model\.pb is damaged"):
        convert(tmp_path / "damaged", None, recipe=Recipe("float32"))
