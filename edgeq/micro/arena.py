"""Where every buffer of a plan lies in the arena: a smallest layout of storages that live for known spans of time.

A layout comes from an order: each storage in turn takes the lowest place that is free while it lives. Some order gives
the smallest layout that there is. A few orders are good at once; the best of them is then improved by a seeded search.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SEARCH_STEPS = 4_000
SEARCH_COMPARISONS = 8_000_000


@dataclass(frozen=True)
class Storage:
    """Bytes that are needed from op `first` to op `last`, both included, at a multiple of `align`."""

    bytes: int
    first: int
    last: int
    align: int = 4


@dataclass(frozen=True)
class Layout:
    """An offset for each storage, the bytes of the whole, and the largest sum of bytes that live at one op."""

    offsets: tuple[int, ...]
    bytes: int
    bound: int


@dataclass(frozen=True)
class _Task:
    """Storages with their sizes rounded up to the alignment, and for each the others that live when it does."""

    storages: tuple[Storage, ...]
    sizes: tuple[int, ...]
    rivals: tuple[tuple[int, ...], ...]
    bound: int

    def bytes(self, offsets: Sequence[int]) -> int:
        """The end of the highest storage."""
        return max((offset + size for offset, size in zip(offsets, self.sizes, strict=True)), default=0)


def plan_arena(storages: Sequence[Storage]) -> Layout:
    """A layout in which no two storages that live at once overlap; `bytes` is `bound` where that was reached.

    The same storages in the same order give the same layout."""
    task = _task(storages)
    offsets = _improved(task, min(_first_orders(task), key=lambda order: task.bytes(_place(task, order))))
    return Layout(tuple(offsets), task.bytes(offsets), task.bound)


def _task(storages: Sequence[Storage]) -> _Task:
    sizes = [_up(storage.bytes, storage.align) for storage in storages]
    rivals = [
        tuple(other for other, that in enumerate(storages) if other != item and _meet(this, that))
        for item, this in enumerate(storages)
    ]
    return _Task(tuple(storages), tuple(sizes), tuple(rivals), max(_loads(storages, sizes).values(), default=0))


def _up(value: int, align: int) -> int:
    return -(-value // align) * align


def _meet(one: Storage, other: Storage) -> bool:
    return one.first <= other.last and other.first <= one.last


def _loads(storages: Sequence[Storage], sizes: Sequence[int]) -> dict[int, int]:
    """Live bytes at every op where a storage begins; between these they only fall."""
    return {
        op: sum(size for storage, size in zip(storages, sizes, strict=True) if storage.first <= op <= storage.last)
        for op in {storage.first for storage in storages}
    }


def _first_orders(task: _Task) -> Iterator[list[int]]:
    """Orders that are often good: by size, by time, by size times time, by how full the arena is meanwhile."""
    loads = _loads(task.storages, task.sizes)
    spans = [storage.last - storage.first + 1 for storage in task.storages]
    peaks = [max(load for op, load in loads.items() if s.first <= op <= s.last) for s in task.storages]
    everyone = range(len(task.storages))
    yield sorted(everyone, key=lambda item: -task.sizes[item])
    yield sorted(everyone, key=lambda item: -task.sizes[item] * spans[item])
    yield sorted(everyone, key=lambda item: (-spans[item], -task.sizes[item]))
    yield sorted(everyone, key=lambda item: (task.storages[item].first, -task.sizes[item]))
    yield sorted(everyone, key=lambda item: (-task.storages[item].last, -task.sizes[item]))
    yield sorted(everyone, key=lambda item: (-peaks[item], -spans[item], -task.sizes[item]))
    yield sorted(everyone, key=lambda item: (-peaks[item], -task.sizes[item]))


def _place(task: _Task, order: Sequence[int]) -> list[int]:
    """Offsets when each storage in turn takes the lowest place that is free."""
    sizes, offsets = task.sizes, [-1] * len(order)
    for item in order:
        taken = sorted((offsets[rival], sizes[rival]) for rival in task.rivals[item] if offsets[rival] >= 0)
        size, align, low = sizes[item], task.storages[item].align, 0
        for offset, length in taken:
            if offset - low >= size:
                break
            if offset + length > low:
                low = _up(offset + length, align)
        offsets[item] = low
    return offsets


def _improved(task: _Task, order: list[int]) -> list[int]:
    """The best layout of a walk over orders from this one: each step gives another storage of a highest stack its turn
    earlier (sometimes at random), and is kept where the arena does not grow by it, or now and then all the same."""
    rng = random.Random(1)  # noqa: S311
    best = offsets = _place(task, order)
    steps = min(SEARCH_STEPS, SEARCH_COMPARISONS // (sum(map(len, task.rivals)) + 8 * len(order) + 1))
    while task.bytes(best) > task.bound and steps:
        steps -= 1
        moved = _moved(task, order, offsets, rng)
        placed = _place(task, moved)
        if task.bytes(placed) <= task.bytes(offsets) or rng.random() < 0.05:
            order, offsets = moved, placed
        if task.bytes(offsets) < task.bytes(best):
            best = offsets
    return best


def _moved(task: _Task, order: Sequence[int], offsets: Sequence[int], rng: random.Random) -> list[int]:
    item = _in_the_way(task, offsets, rng)
    moved = [other for other in order if other != item]
    moved.insert(rng.randrange(len(order) if rng.random() < 0.5 else order.index(item) + 1), item)
    return moved


def _in_the_way(task: _Task, offsets: Sequence[int], rng: random.Random) -> int:
    """A highest storage, or one that it rests on, or one that this rests on..."""
    ends = [offset + size for offset, size in zip(offsets, task.sizes, strict=True)]
    top = max(ends)
    item = rng.choice([highest for highest, end in enumerate(ends) if end == top])
    while rng.random() < 0.5:
        align = task.storages[item].align
        below = [rival for rival in task.rivals[item] if _up(ends[rival], align) == offsets[item]]
        if not below:
            break
        item = rng.choice(below)
    return item
