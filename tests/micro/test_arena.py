"""The arena planner: no overlap ever, the bound wherever it can be reached, and against an exact solver.

`python tests/micro/test_arena.py 400` compares 400 random sets of each kind and prints a table."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from itertools import combinations, permutations

import exact
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.micro.arena import Layout, Storage, plan_arena

MOST = 14


def chain(rng: random.Random, most: int) -> list[Storage]:
    """Each op reads what the one before it wrote."""
    count = rng.randint(1, most)
    return [Storage(rng.randint(1, 5000), op, op + 1) for op in range(count)]


def residual(rng: random.Random, most: int) -> list[Storage]:
    """A chain with a tensor now and then that is read once more some ops later."""
    return [
        Storage(storage.bytes, storage.first, storage.last + rng.choice((0, 0, 1, 2, 3)))
        for storage in chain(rng, most)
    ]


def branches(rng: random.Random, most: int) -> list[Storage]:
    """A graph in which each op reads one to three of the last few tensors."""
    count, reach = rng.randint(2, most), rng.randint(1, 5)
    last = list(range(count))
    for op in range(1, count):
        for source in rng.sample(range(max(0, op - reach), op), min(op, reach, rng.randint(1, 3))):
            last[source] = op
    return [Storage(rng.choice((1, 1, 4)) * rng.randint(1, 4096), op, last[op]) for op in range(count)]


def intervals(rng: random.Random, most: int) -> list[Storage]:
    """Any spans, sizes and alignments."""
    count, biggest = rng.randint(2, most), rng.choice((8, 40, 1000, 100_000))
    firsts = [rng.randrange(count) for _ in range(count)]
    return [
        Storage(rng.randint(1, biggest), first, first + int(rng.expovariate(0.5)), rng.choice((4, 4, 16)))
        for first in firsts
    ]


def dissection(rng: random.Random, most: int) -> list[Storage]:
    """A rectangle of time and space, cut up at random: the bound can be reached, but has no room to spare."""
    count = rng.randint(2, most)
    pieces = [(0, 2 * count, 0, 10 * count)]
    for _ in range(10 * count):
        begin, end, low, high = pieces[at := rng.randrange(len(pieces))]
        if len(pieces) < count and rng.random() < 0.5 and end - begin > 1:
            middle = rng.randrange(begin + 1, end)
            pieces[at : at + 1] = [(begin, middle, low, high), (middle, end, low, high)]
        elif len(pieces) < count and high - low > 1:
            middle = rng.randrange(low + 1, high)
            pieces[at : at + 1] = [(begin, end, low, middle), (begin, end, middle, high)]
    rng.shuffle(pieces)
    return [Storage(4 * (high - low), begin, end - 1) for begin, end, low, high in pieces]


def churn(rng: random.Random, most: int) -> list[Storage]:
    """Just as many bytes live at every op, but not the same ones: often the bound cannot be reached."""
    live = [(size, 0) for size in _parts(rng, rng.choice((12, 24, 200)), rng.randint(2, 5))]
    done: list[Storage] = []
    for op in range(1, most):
        rng.shuffle(live)
        count = rng.randint(1, min(3, len(live)))
        born = _parts(rng, sum(size for size, _ in live[:count]), rng.randint(1, 3))
        if len(done) + len(live) + len(born) > most:
            break
        done += [Storage(4 * size, first, op - 1) for size, first in live[:count]]
        live = live[count:] + [(size, op) for size in born]
    return done + [Storage(4 * size, first, most) for size, first in live]


def _parts(rng: random.Random, total: int, count: int) -> list[int]:
    cuts = sorted(rng.sample(range(1, total), min(count, total) - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


KINDS = (chain, residual, branches, intervals, dissection, churn)


def compared(kind: Callable[[random.Random, int], list[Storage]], count: int) -> list[tuple[int, int, int]]:
    """Per seeded set: bytes of the planner, of the smallest arena, and the bound."""
    found = []
    for seed in range(count):
        storages = kind(random.Random(seed), MOST)
        layout = plan_arena(storages)
        found.append((layout.bytes, exact.smallest(storages), layout.bound))
    return found


def check(storages: Sequence[Storage], layout: Layout) -> None:
    """What every layout must keep."""
    ends = [offset + storage.bytes for offset, storage in zip(layout.offsets, storages, strict=True)]
    for offset, storage in zip(layout.offsets, storages, strict=True):
        assert offset >= 0
        assert offset % storage.align == 0
    for one, other in combinations(range(len(storages)), 2):
        if storages[one].first <= storages[other].last and storages[other].first <= storages[one].last:
            assert ends[one] <= layout.offsets[other] or ends[other] <= layout.offsets[one]
    assert max(ends, default=0) <= layout.bytes
    assert layout.bound <= layout.bytes


@st.composite
def storages(draw: st.DrawFn) -> Storage:
    first = draw(st.integers(0, 20))
    return Storage(
        draw(st.integers(1, 300)), first, first + draw(st.integers(0, 8)), draw(st.sampled_from((1, 4, 4, 16)))
    )


@settings(max_examples=60)
@given(st.lists(storages(), max_size=24))
def test_what_lives_at_once_never_overlaps(items: list[Storage]) -> None:
    check(items, plan_arena(items))


def test_the_same_storages_give_the_same_layout() -> None:
    items = churn(random.Random(122), MOST)
    assert plan_arena(items) == plan_arena(list(items))


@settings(max_examples=60)
@given(st.lists(storages(), max_size=24))
def test_the_bound_is_the_fullest_op(items: list[Storage]) -> None:
    loads = [sum(-(-s.bytes // s.align) * s.align for s in items if s.first <= op <= s.last) for op in range(30)]
    assert plan_arena(items).bound == max(loads)


@pytest.mark.parametrize(
    ("items", "offsets", "size"),
    [
        ([], (), 0),
        ([Storage(5, 0, 0)], (0,), 8),
        ([Storage(8, 0, 1), Storage(8, 2, 3)], (0, 0), 8),
        ([Storage(8, 0, 1), Storage(4, 1, 2)], (0, 8), 12),
        ([Storage(20, 0, 1, align=16), Storage(4, 1, 2, align=4)], (0, 32), 36),
        ([one := Storage(4, 0, 1), one], (0, 4), 8),
    ],
    ids=["none", "one", "one after another", "two at once", "alignment", "the same twice"],
)
def test_small_layouts(items: list[Storage], offsets: tuple[int, ...], size: int) -> None:
    assert plan_arena(items) == Layout(offsets, size, size)


def lives(*items: tuple[int, int, int]) -> list[Storage]:
    return [Storage(*item) for item in items]


def test_the_search_finds_what_no_first_order_does() -> None:
    items = lives(
        *((84, 5, 8), (124, 3, 8), (160, 0, 2), (84, 3, 4), (112, 5, 8), (320, 9, 15), (112, 0, 4), (48, 0, 2))
    )
    layout = plan_arena(items)
    check(items, layout)
    assert layout.bytes == layout.bound == 320


def test_a_bound_that_is_out_of_reach() -> None:
    items = lives(
        *((20, 0, 0), (52, 0, 0), (4, 0, 1), (48, 1, 1), (20, 0, 2)),
        *((16, 1, 2), (28, 2, 2), (8, 1, 10), (64, 3, 10), (24, 2, 10)),
    )
    layout = plan_arena(items)
    check(items, layout)
    assert (layout.bytes, layout.bound) == (exact.smallest(items), 96) == (100, 96)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_against_the_exact_solver(kind: Callable[[random.Random, int], list[Storage]]) -> None:
    found = compared(kind, 60)
    assert sum(planned == best for planned, best, _ in found) >= 0.95 * len(found)
    assert all(bound <= best <= planned <= 1.05 * best for planned, best, bound in found)


def test_the_exact_solver_against_all_orders() -> None:
    for seed in range(30):
        items = intervals(random.Random(seed), 6)
        assert exact.smallest(items) == min(_height(order) for order in permutations(items))


def _height(order: Sequence[Storage]) -> int:
    """The arena when each storage in turn lies on the highest end that it meets."""
    ends: list[tuple[Storage, int]] = []
    for item in order:
        below = [end for other, end in ends if item.first <= other.last and other.first <= item.last]
        low = -(-max(below, default=0) // item.align) * item.align
        ends.append((item, low + -(-item.bytes // item.align) * item.align))
    return max(end for _, end in ends)


def main(count: int) -> None:
    print("kind        sets  equal  worst over  at bound  planner s")
    for kind in KINDS:
        found = compared(kind, count)
        start = time.perf_counter()
        for seed in range(count):
            plan_arena(kind(random.Random(seed), MOST))
        seconds = time.perf_counter() - start
        equal = sum(planned == best for planned, best, _ in found)
        worst = max(planned / best - 1 for planned, best, _ in found)
        at_bound = sum(planned == bound for planned, _, bound in found)
        print(f"{kind.__name__:10}{count:6}{equal:7}{worst:11.2%}{at_bound:10}{seconds:11.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
