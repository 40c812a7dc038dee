"""What a device has answered so far: it comes back whole, and never for another question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.correctness.unfinished import Partial, Partials

FACTS = {"release": [1, "a" * 64], "raw": False}
ROWS = np.arange(60, dtype=np.uint8).reshape(20, 3)


@pytest.fixture
def some(tmp_path: Path) -> Partial:
    """Twelve of twenty samples."""
    partial = Partial(tmp_path / "runs", FACTS)
    partial.keep(ROWS, 0, 5)
    partial.keep(ROWS, 5, 12)
    return partial


def test_what_is_there_comes_back(some: Partial, tmp_path: Path) -> None:
    rows = np.zeros_like(ROWS)
    assert Partial(tmp_path / "runs", FACTS).load(rows) == 12 and some.kept
    assert (rows[:12] == ROWS[:12]).all() and not rows[12:].any()


def test_other_facts_are_another_question(some: Partial, tmp_path: Path) -> None:
    assert Partial(tmp_path / "runs", {**FACTS, "raw": True}).load(np.zeros_like(ROWS)) == 0
    clash = Partial(tmp_path / "runs", {**FACTS, "raw": True})
    some.path.rename(clash.path)
    assert clash.load(np.zeros_like(ROWS)) == 0 and not clash.path.exists()


@pytest.mark.parametrize("cut", [1, 4, 5, 8])
def test_a_row_that_was_not_written_whole_is_asked_again(some: Partial, cut: int) -> None:
    some.path.write_bytes(some.path.read_bytes()[:-cut])
    assert some.load(np.zeros_like(ROWS)) == (11 if cut <= 7 else 10)


def test_a_damaged_row_ends_it_and_so_do_zeros_of_a_crash(some: Partial) -> None:
    data = bytearray(some.path.read_bytes())
    data[-7 * 4] ^= 1
    some.path.write_bytes(data)
    assert some.load(np.zeros_like(ROWS)) == 8
    some.path.write_bytes(data[: -7 * 6] + bytes(7 * 6))
    assert some.load(np.zeros_like(ROWS)) == 6


def test_a_file_that_went_away_meanwhile_is_not_begun_in_its_middle(some: Partial) -> None:
    some.remove()
    some.keep(ROWS, 12, 15)
    assert not some.kept and not some.path.exists()


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    partial = Partial(tmp_path / "file", FACTS)
    partial.keep(ROWS, 0, 5)
    assert not partial.kept and partial.load(np.zeros_like(ROWS)) == 0


def test_all_of_a_command_are_removed(tmp_path: Path) -> None:
    partials = Partials(tmp_path)
    for facts in (FACTS, {**FACTS, "raw": True}):
        partials.file(["data", [1, 2]], facts).keep(ROWS, 0, 2)
    assert len(list(tmp_path.iterdir())) == 2
    partials.remove()
    assert not list(tmp_path.iterdir())
