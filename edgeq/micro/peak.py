"""Where a plan needs the most memory: what must shrink before the arena does."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.micro.compile import Compiled
from edgeq.micro.plan import lives


@dataclass(frozen=True)
class Peak:
    """The record at which most bytes live, counted from 0, its kernel, and what lives there: (name, bytes), largest
    first; buffers that share a place count once."""

    record: int
    records: int
    kernel: str
    parts: tuple[tuple[str, int], ...]

    @property
    def bytes(self) -> int:
        """Their sum."""
        return sum(size for _, size in self.parts)

    def told(self, most: int = 3) -> str:
        """One sentence for people."""
        named = ", ".join(f"'{name}' {size:,} B" for name, size in self.parts[:most])
        rest = f" and {len(self.parts) - most} more" if len(self.parts) > most else ""
        return f"most is needed at record {self.record + 1} of {self.records} ({self.kernel}): {named}{rest}"


def peak(planned: Compiled) -> Peak | None:
    """The first such record; None for a plan without any."""
    spans, ops, offsets = lives(planned.plan), planned.plan.ops, planned.arena.offsets
    found = []
    for when, op in enumerate(ops):
        there: dict[int, tuple[str, int]] = {}
        for buffer, (first, last) in spans.items():
            held = there.get(offsets[buffer], ("", 0))
            if first <= when <= last and buffer.size_bytes > held[1]:
                there[offsets[buffer]] = (buffer.name, buffer.size_bytes)
        parts = tuple(sorted(there.values(), key=lambda part: -part[1]))
        found.append(Peak(when, len(ops), op.name, parts))
    return max(found, key=lambda item: item.bytes, default=None)
