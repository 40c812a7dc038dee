"""What is large lies in a temporary file without a name."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from edgeq.dataset import spool
from edgeq.dataset.spool import Spool, room
from edgeq.errors import UsageError
from edgeq.host.paths import home


def test_what_is_appended_is_read_where_it_lies() -> None:
    found = Spool("it")
    assert [found.append(part) for part in (b"ab", b"cde")] == [0, 2]
    assert len(found) == 5 and found.read_at(1, 3) == b"bcd" and found.read_at(4, 9) == b"e"


def test_a_large_array_takes_no_memory_and_stays_when_its_file_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY_BYTES", 1 << 20)
    tracemalloc.start()
    large, small = room((1024, 1024), np.float32, "it"), room((4, 2), np.int16, "it")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20
    gc.collect()
    large[1023] = 7
    assert type(large) is np.ndarray and (large[:1023] == 0).all() and (large[1023] == 7).all()
    assert small.shape == (4, 2) and small.dtype == np.int16 and not small.any()
    assert not list((home() / "tmp").iterdir()), "the file has no name"


def test_where_there_is_no_space_it_is_told() -> None:
    with pytest.raises(UsageError, match="There is no room for the answers: it needs"):
        room((1 << 50,), np.float32, "the answers")
