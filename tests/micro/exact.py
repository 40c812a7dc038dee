"""The smallest arena that there is, by branch and bound: what the planner is measured against. Up to about 14 storages.

Some smallest layout is left-justified: no storage can move down alone. Taken by rising offset, each storage of such a
layout lies on the highest end of those before it that live when it does. So orders are searched, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.micro.arena import Storage


def smallest(storages: Sequence[Storage]) -> int:
    """Bytes of the smallest arena that holds them."""
    search = _Search(storages)
    search.go_on(frozenset(range(len(storages))), (0,) * len(search.ops), 0)
    return search.best


def _up(value: int, align: int) -> int:
    return -(-value // align) * align


class _Search:
    """What is known while orders are tried: the best arena so far, and the states that need no second look."""

    def __init__(self, storages: Sequence[Storage]) -> None:
        self.aligns = [storage.align for storage in storages]
        self.sizes = [_up(storage.bytes, storage.align) for storage in storages]
        self.ops = sorted({storage.first for storage in storages})
        self.live = [[at for at, op in enumerate(self.ops) if s.first <= op <= s.last] for s in storages]
        self.best = sum(self.sizes) + sum(self.aligns)
        self.bound = max(
            (sum(z for z, at in zip(self.sizes, self.live, strict=True) if op in at) for op in range(len(self.ops))),
            default=0,
        )
        self.seen: set[tuple[frozenset[int], tuple[int, ...], int]] = set()

    def go_on(self, left: frozenset[int], tops: tuple[int, ...], floor: int) -> None:
        """Place the storages that are left at `floor` or higher; `tops` is the highest end so far, op by op."""
        if not left:
            self.best = min(self.best, max(tops, default=0))
        if not left or (left, tops, floor) in self.seen:
            return
        self.seen.add((left, tops, floor))
        rests = {item: _up(max(tops[at] for at in self.live[item]), self.aligns[item]) for item in left}
        for item in sorted(left, key=lambda item: rests[item]):
            if self.best == self.bound or self.least(left, tops, rests, floor) >= self.best:
                return
            if rests[item] >= floor:
                end = rests[item] + self.sizes[item]
                after = tuple(end if at in self.live[item] else top for at, top in enumerate(tops))
                self.go_on(left - {item}, after, rests[item])

    def least(self, left: frozenset[int], tops: tuple[int, ...], rests: dict[int, int], floor: int) -> int:
        """What the arena takes at least from here: at each op the storages that still wait for it lie on each other."""
        needs = [max(tops)]
        for at in range(len(tops)):
            waiting = [item for item in left if at in self.live[item]]
            if waiting:
                needs.append(max(floor, min(rests[i] for i in waiting)) + sum(self.sizes[i] for i in waiting))
        return max(needs)
