from __future__ import annotations

from importlib import metadata

import numpy

from edgeq.passport.versions import other_versions, versions


def test_what_takes_part_is_told() -> None:
    found = versions(converted=True, quantized=True)
    assert found["numpy"] == numpy.__version__
    assert found["litert-quantizer"] == metadata.version("litert-quantizer")
    assert {"edgeq", "python", "tensorflow"} <= set(found)
    assert "tensorflow" not in versions(converted=False, quantized=True)
    assert "litert-quantizer" not in versions(converted=False, quantized=False)


def test_differences_name_both_versions() -> None:
    then = {"numpy": "1", "python": "3.11", "gone": "2"}
    now = {"numpy": "2", "python": "3.11", "tensorflow": None}
    assert other_versions(then, now) == {"numpy": ("1", "2"), "gone": ("2", "none")}
