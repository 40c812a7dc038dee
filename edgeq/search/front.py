"""Which results are worth having: those that no other beats in everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def pareto(items: Sequence[Item], costs: Callable[[Item], Sequence[float]]) -> list[Item]:
    """Those of `items` of which no other is at least as good in all `costs` (less is better) and better in one; of
    equal ones the first."""
    told = [tuple(costs(item)) for item in items]
    return [
        item
        for place, (item, own) in enumerate(zip(items, told, strict=True))
        if not any(
            all(a <= b for a, b in zip(other, own, strict=True)) and (other != own or index < place)
            for index, other in enumerate(told)
            if index != place
        )
    ]
