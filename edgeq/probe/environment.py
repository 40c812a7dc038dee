"""What the surroundings of a bench say: readings before and after, and the Raspberry Pi's throttle bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

THROTTLE_BITS = {
    0: "under-voltage now",
    1: "clock capped now",
    2: "throttled now",
    3: "soft temperature limit now",
    16: "under-voltage has occurred",
    17: "clock capping has occurred",
    18: "throttling has occurred",
    19: "soft temperature limit has occurred",
}
"""Bits of `vcgencmd get_throttled` (Raspberry Pi documentation, 'vcgencmd')."""


def throttle_words(bits: int) -> tuple[str, ...]:
    """The set bits in words; the device's agent reads the bits."""
    return tuple(words for bit, words in THROTTLE_BITS.items() if bits >> bit & 1)


def reading(environment: Mapping[str, Any], when: str, key: str) -> Any:
    """`environment[when][key]` (when: before, after), or a reading that was taken once, or None."""
    group = environment.get(when)
    if isinstance(group, Mapping) and group.get(key) is not None:
        return group[key]
    return environment.get(key)
