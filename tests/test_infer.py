"""Samples from files to the device and back to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.errors import UsageError
from edgeq.infer import read_inputs, write_outputs

X = np.arange(12, dtype=np.float32).reshape(2, 6)


def test_inputs_come_from_npy_and_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "labelled.npz", x=X, y=np.zeros(2))
    np.savez(tmp_path / "two.npz", first=X, second=X + 1)
    for name in ("x.npy", "labelled.npz"):
        (array,) = read_inputs([tmp_path / name])
        np.testing.assert_array_equal(array, X)
    assert [array[0, 0] for array in read_inputs([tmp_path / "two.npz"])] == [0, 1]
    assert len(read_inputs([tmp_path / "x.npy", tmp_path / "x.npy"])) == 2


def test_files_that_are_no_arrays_are_told(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("hello")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for path in (tmp_path / "text.npy", tmp_path / "objects.npy", tmp_path / "missing.npy"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_inputs([path])
    with pytest.raises(UsageError, match="No input"):
        read_inputs([])


def test_outputs_go_to_npy_and_npz(tmp_path: Path) -> None:
    write_outputs(tmp_path / "y.npy", [X])
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), X)
    write_outputs(tmp_path / "y.npz", [X, X + 1])
    with np.load(tmp_path / "y.npz") as found:
        assert found.files == ["output_0", "output_1"]
    with pytest.raises(UsageError, match="cannot be written"):
        write_outputs(tmp_path / "no" / "y.npy", [X])
