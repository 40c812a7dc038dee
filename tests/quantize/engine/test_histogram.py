from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.quantize.engine.histogram import Histogram

parts = st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), min_size=1, max_size=6)


@settings(max_examples=60)
@given(parts=parts, seed=st.integers(0, 99))
def test_counts_do_not_depend_on_the_order(parts: list[list[float]], seed: int) -> None:
    one, other = Histogram(), Histogram()
    for part in parts:
        one.add(np.array(part, np.float32))
    for place in np.random.default_rng(seed).permutation(len(parts)):
        other.add(np.array(parts[place], np.float32)[::-1])
    assert one.limit == other.limit and np.array_equal(one.counts, other.counts)
    assert one.counts.sum() == sum(map(len, parts))
