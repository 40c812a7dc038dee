"""Host and installed agent: two minor versions apart, either way, and not more."""

from __future__ import annotations

import pytest

import edgeq
from edgeq.device.versions import near, require_near
from edgeq.errors import DeviceError


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ("0.1.0", "0.1.9", True),
        ("0.1.0", "0.3.0", True),
        ("0.3.0", "0.1.0", True),
        ("0.1.0", "0.4.0", False),
        ("1.0.0", "0.9.0", False),
        ("1.10.0", "1.9.0rc1", True),
        ("?", "0.1.0", False),
        ("", "", False),
    ],
)
def test_how_far_apart(one: str, other: str, fits: bool) -> None:
    assert near(one, other) is fits


def test_what_is_said(host: str = "0.5.0") -> None:
    require_near("pi", {"protocol": 1, "agent": edgeq.__version__})
    require_near("pi", {"protocol": 1, "agent": "0.3.2"}, host)
    for facts in ({"protocol": 1, "agent": "0.2.0"}, {"protocol": 2, "agent": host}, {}):
        with pytest.raises(DeviceError, match=r"installed on pi is edgeq .* this is 0\.5\.0") as no:
            require_near("pi", facts, host)
        assert "edgeq agent update pi" in no.value.hint
