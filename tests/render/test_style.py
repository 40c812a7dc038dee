"""The style sheet: text has enough contrast on every ground that it stands on, in light and in dark."""

from __future__ import annotations

import re

import pytest

from edgeq.render.style import CSS

LEAST = 4.5
"""WCAG 2.2, 1.4.3: for text of ordinary size."""
TEXT = ("ink", "soft", "measured", "emulated", "estimated", "planned", "good", "warn", "bad")
GROUNDS = ("bg", "raised", "good-bg", "warn-bg", "bad-bg", "shade", "alarm")
LEAST_MARK = 3.0
"""WCAG 2.2, 1.4.11: for what is drawn."""


def colours(part: str) -> dict[str, str]:
    found = re.findall(r"--([\w-]+):#([0-9a-f]{3,6})", part.replace("\n", ""))
    return {name: value if len(value) == 6 else "".join(letter * 2 for letter in value) for name, value in found}


def luminance(colour: str) -> float:
    """Relative luminance by WCAG."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


LIGHT, DARK = (colours(part) for part in (CSS.partition("@media")[0], CSS.partition("@media")[2].partition("}}")[0]))


@pytest.mark.parametrize(("scheme", "names"), [("light", LIGHT), ("dark", DARK)])
def test_text_can_be_read_on_every_ground(scheme: str, names: dict[str, str]) -> None:
    assert set(LIGHT) == set(DARK)
    for text in TEXT:
        for ground in GROUNDS:
            assert contrast(names[text], names[ground]) >= LEAST, f"{scheme}: {text} on {ground}"


@pytest.mark.parametrize("names", [LIGHT, DARK])
def test_marks_stand_out(names: dict[str, str]) -> None:
    for fill in ("fill-measured", "fill-emulated", "fill-estimated", "fill-planned"):
        assert contrast(names[fill], names["bg"]) >= LEAST_MARK
