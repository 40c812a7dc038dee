"""Samples from files to the device and back to files."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeq.cli.telling import tell_outputs
from edgeq.errors import UsageError
from edgeq.infer import read_inputs, write_outputs
from edgeq.interface import Interface, Tensor

X = np.arange(12, dtype=np.float32).reshape(2, 6)


def test_inputs_come_from_npy_and_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "labelled.npz", x=X, y=np.zeros(2))
    np.savez(tmp_path / "two.npz", first=X, second=X + 1)
    for name in ("x.npy", "labelled.npz"):
        (array,) = read_inputs([tmp_path / name]).values
        np.testing.assert_array_equal(array, X)
    assert [array[0, 0] for array in read_inputs([tmp_path / "two.npz"]).values] == [0, 1]
    assert len(read_inputs([tmp_path / "x.npy", tmp_path / "x.npy"]).values) == 2


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


def test_raw_inputs_have_the_names_of_their_files(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("a.wav", "b.wav"):
        with wave.open(str(tmp_path / "set" / name), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(bytes(20))
    assert read_inputs([tmp_path / "set"]).names == ("a.wav", "b.wav")


@pytest.mark.parametrize(
    ("scores", "labels", "names", "text"),
    [
        ([[0.1, 0.9]], ("no", "yes"), ["a.wav"], "1 sample; highest outputs:\n  a.wav: yes 0.9, no 0.1"),
        ([[0.1, 0.9]], (), (), "1 sample; highest outputs:\n  sample 0: 1 0.9, 0 0.1"),
        ([[1.5], [2.5]], (), (), "2 samples; output:\n  sample 0: 1.5\n  sample 1: 2.5"),
        ([[1.5]] * 12, (), (), "  sample 9: 1.5\n  ... and 2 more"),
    ],
)
def test_outputs_are_told(scores: Any, labels: tuple[str, ...], names: Any, text: str) -> None:
    values = np.array(scores, np.float32)
    interface = Interface((), (Tensor("y", (1, values.shape[1]), "float32", 0.0, 0),), labels)
    document, told = tell_outputs([values], interface, None, names)
    assert told.endswith(text)
    assert (document["labels"], document.get("inputs", [])) == (list(labels), list(names))


def test_arrays_are_matched_by_the_names_of_the_inputs(tmp_path: Path) -> None:
    inputs = (Tensor("serving_default_left:0", (1, 2), "float32", 0.0, 0), Tensor("right", (1, 2), "float32", 0.0, 0))
    interface = Interface(inputs, ())
    np.savez(tmp_path / "swapped.npz", right=np.ones((3, 2)), left=np.zeros((3, 2)))
    left, right = read_inputs([tmp_path / "swapped.npz"]).ordered(interface)
    assert (left[0, 0], right[0, 0]) == (0, 1)  # type: ignore[index]
    np.savez(tmp_path / "odd.npz", right=np.ones((3, 2)), lift=np.zeros((3, 2)))
    with pytest.raises(UsageError, match="no array for the model's input 'left'"):
        read_inputs([tmp_path / "odd.npz"]).ordered(interface)
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    assert len(read_inputs([tmp_path / "x.npy"] * 2).ordered(interface)) == 2
    np.savez(tmp_path / "set.npz", images=np.ones((3, 2)), labels=np.zeros(3))
    assert len(read_inputs([tmp_path / "set.npz"]).values) == 1
