"""Windows over a stream: however it is cut, the same windows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq.preprocess.windows import Windows


@given(
    length=st.integers(1, 9),
    step=st.integers(1, 12),
    cuts=st.lists(st.integers(0, 7), max_size=20),
    width=st.sampled_from([0, 1, 3]),
)
@settings(max_examples=200)
def test_chunks_give_the_windows_of_the_whole(length: int, step: int, cuts: list[int], width: int) -> None:
    total = sum(cuts)
    data = np.arange(total * max(width, 1)).reshape((total, width) if width else (total,))
    wanted = [data[at : at + length].ravel() for at in range(0, total - length + 1, step)]
    windows, at, found = Windows(length, step), 0, []
    for cut in cuts:
        rows = windows(data[at : at + cut], False)
        assert rows.shape[1] == length * max(width, 1)
        found += list(rows)
        at += cut
    assert [row.tolist() for row in found] == [row.tolist() for row in wanted]
