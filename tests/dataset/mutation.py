"""Broken versions of whole files."""

from __future__ import annotations

from hypothesis import strategies as st


def mutated(data: st.DataObject, original: bytes) -> bytes:
    """A few bytes changed, and perhaps the end lost."""
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.one_of(st.just(len(changed)), st.integers(0, len(changed))))])
