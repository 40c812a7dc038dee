from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.dataset import open_dataset
from edgeq.dataset.columns import read_columns
from edgeq.errors import UsageError


def _saved(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "set.npz", x=np.arange(12.0).reshape(3, 4), y=[0, 1, 0], **arrays)
    return folder / "set.npz"


def test_an_array_beside_the_samples_is_a_column(tmp_path: Path) -> None:
    path = _saved(tmp_path, who=np.array(["ann", "bob", "ann"]), age=np.array([1, 2, 3]))
    data = open_dataset(path, columns=["who", "age"])
    assert data.inputs == ("x",)
    assert read_columns(data, ["age", "who"]) == {"age": ("1", "2", "3"), "who": ("ann", "bob", "ann")}


def test_a_wanted_column_is_no_input_of_a_model_with_several(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.zeros((3, 2)), b=np.zeros((3, 1)), clip=np.arange(3))
    assert open_dataset(tmp_path / "two.npz").inputs == ("a", "b", "clip")
    data = open_dataset(tmp_path / "two.npz", columns=["clip"])
    assert data.inputs == ("a", "b") and data.columns == {"clip": ("0", "1", "2")}


def test_a_column_of_a_table_is_no_value(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,who,b,label\n1,ann,2,cat\n3,bob,4,dog\n")
    data = open_dataset(tmp_path / "t.csv", columns=["who"])
    assert data.read(1)[0].array.tolist() == [3, 4]
    assert data.classes == ("cat", "dog") and read_columns(data, ["who"]) == {"who": ("ann", "bob")}


def test_a_list_of_files_has_columns_for_those_that_are_samples(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.wav").write_bytes(_wav())
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "list.csv").write_text("file,label,Room\na.wav,0,hall\nnotes.txt,1,hall\nb.wav,1,car\n")
    data = open_dataset(tmp_path / "list.csv", columns=["Room"])
    assert read_columns(data, ["Room"]) == {"Room": ("hall", "car")}


@pytest.mark.parametrize(
    "text",
    ["index,who\n2,cy\n0,ann\n1,bob\n", "name,who\nsample 1,bob\nsample 0,ann\nsample 2,cy\n", "who\nann\nbob\ncy\n"],
    ids=["index", "name", "order"],
)
def test_a_table_beside_the_data(tmp_path: Path, text: str) -> None:
    path = _saved(tmp_path)
    (tmp_path / "set.meta.csv").write_text(text)
    assert read_columns(open_dataset(path, columns=["who"]), ["who"]) == {"who": ("ann", "bob", "cy")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "has no column 'who', and there is no '.*set.meta.csv'"),
        ("index,whom\n0,a\n", "Neither .* has a column 'who'"),
        ("index,who\n0,ann\n1,bob\n", "no line for the sample '2'"),
        ("who\nann\nbob\n", "has 2 lines and .* has 3 samples"),
        ("who,age\nann\n", "Line 2 .* not as many fields"),
        ("", "cannot be read"),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, text: str | None, words: str) -> None:
    path = _saved(tmp_path)
    if text is not None:
        (tmp_path / "set.meta.csv").write_text(text)
    with pytest.raises(UsageError, match=words):
        read_columns(open_dataset(path, columns=["who"]), ["who"])


def test_a_column_has_an_entry_for_each_sample(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'who' of .* has shape \[2\]"):
        open_dataset(_saved(tmp_path, who=np.array(["a", "b"])), columns=["who"])


def test_numbers_and_masks_are_targets(tmp_path: Path) -> None:
    x = np.zeros((3, 2))
    np.savez(tmp_path / "numbers.npz", x=x, y=[0.5, -1, 2])
    data = open_dataset(tmp_path / "numbers.npz")
    assert data.labels is None and data.require_targets().tolist() == [0.5, -1, 2]
    np.savez(tmp_path / "masks.npz", x=x, y=np.arange(12).reshape(3, 2, 2))
    assert open_dataset(tmp_path / "masks.npz").require_targets().shape == (3, 2, 2)
    (tmp_path / "t.csv").write_text("a,label\n1,0.5\n2,-3\n")
    assert open_dataset(tmp_path / "t.csv").require_targets().tolist() == [0.5, -3]
    np.savez(tmp_path / "classes.npz", x=x, y=[2, 0, 1])
    assert open_dataset(tmp_path / "classes.npz").require_targets().tolist() == [2, 0, 1]


def test_the_digest_holds_targets(tmp_path: Path) -> None:
    digests = set()
    for values in ([0.5, 1, 2], [0.5, 1, 2.5]):
        np.savez(tmp_path / "n.npz", x=np.zeros((3, 2)), y=values)
        digests.add(open_dataset(tmp_path / "n.npz").digest())
    assert len(digests) == 2


def test_targets_that_are_not_finite_are_refused_where_they_are_needed(tmp_path: Path) -> None:
    np.savez(tmp_path / "n.npz", x=np.zeros((2, 2)), y=[0.5, np.nan])
    data = open_dataset(tmp_path / "n.npz")
    assert data.digest()
    with pytest.raises(UsageError, match="not finite"):
        data.require_targets()


def _wav() -> bytes:
    import io
    import wave

    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16000)
        wav.writeframes(b"\0\0" * 8)
    return file.getvalue()
