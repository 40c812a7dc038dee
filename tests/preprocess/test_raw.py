"""A raw input says what it is."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.preprocess import Raw


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (Raw(np.zeros(9, np.int16), 16000), "audio"),
        (Raw(np.zeros((4, 5, 3), np.uint8)), "image"),
        (Raw(np.zeros((4, 5, 1), np.uint8)), "image"),
        (Raw(np.zeros((4, 5, 3), np.float32)), "features"),
        (Raw(np.zeros(9, np.int16)), "features"),
        (Raw(np.zeros((49, 10), np.uint8)), "features"),
    ],
)
def test_kind(raw: Raw, kind: str) -> None:
    assert raw.kind == kind
