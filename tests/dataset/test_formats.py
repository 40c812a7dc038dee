"""What is opened as what, and what is said where nothing fits."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from records import example, record

from edgeq.dataset import open_dataset
from edgeq.errors import UsageError

WAV = b"RIFF" + struct.pack("<I", 38) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
WAV += b"data" + struct.pack("<Ih", 2, 7)


def files(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WAV)
    return root


def test_a_path_that_is_not_there_is_compared_with_those_that_are(tmp_path: Path) -> None:
    np.save(tmp_path / "calibration.npy", np.ones(3))
    with pytest.raises(UsageError, match="does not exist") as caught:
        open_dataset(tmp_path / "calibratoin.npy")
    assert caught.value.hint == f"Did you mean '{tmp_path / 'calibration.npy'}'?"
    with pytest.raises(UsageError, match="does not exist") as caught:
        open_dataset(tmp_path / "none" / "x.npy")
    assert "module:function" in caught.value.hint


def test_a_path_that_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: File name too long"):
        open_dataset("x" * 5000)
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        open_dataset(tmp_path / "pipe.npy")


def test_an_unknown_suffix_says_what_is_read(tmp_path: Path) -> None:
    for name in ("data.parquet", "data"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(UsageError, match="no kind that edgeq reads") as caught:
            open_dataset(tmp_path / name)
        assert all(
            word in caught.value.hint for word in (".npz", ".csv", "images", "wav", ".tfrecord", "module:function")
        )


@pytest.mark.parametrize(
    ("names", "words", "hint"),
    [
        ((), "holds no files", "edgeq reads"),
        (("a/1.txt", "a/2.md"), r"does not read \(.md, .txt\)", "edgeq reads"),
        (("a/1.wav", "b/1.png"), "holds 1 images and 1 wav files", "one kind"),
        (("train/a/1.wav", "test/a/1.wav"), r"folders of folders \(test/a, train/a\)", "such as .*test"),
        (("x.npz",), "one file at a time", "Give the file: .*x.npz"),
        (("a/1.wav", "2.wav"), "'2.wav' lies in .* beside folders of classes", "into the folder of its class"),
        (("a/1.tfrecord",), "folders of tfrecord files", "Give one of the folders"),
    ],
)
def test_folders_that_hold_no_set_are_told(tmp_path: Path, names: tuple[str, ...], words: str, hint: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    with pytest.raises(UsageError, match=words) as caught:
        open_dataset(files(root, *names))
    assert re.search(hint, caught.value.hint)


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    data = open_dataset(files(tmp_path, "b.wav", "a.wav", ".hidden.wav", "notes.txt", "_noise/c.wav"))
    assert [data.name(index) for index in range(len(data))] == ["a.wav", "b.wav"]
    with pytest.raises(UsageError, match="has no labels"):
        data.require_labels()


def test_odd_folders_are_noted(tmp_path: Path) -> None:
    once = open_dataset(files(tmp_path / "once", "a/1.wav", "b/1.wav"))
    assert once.notes == (f"Every class of '{tmp_path / 'once'}' has one file only: are these classes?",)
    (files(tmp_path / "gap", "a/1.wav", "a/2.wav", "c/1.wav") / "b").mkdir()
    gap = open_dataset(tmp_path / "gap")
    assert gap.require_labels().tolist() == [0, 0, 2] and gap.classes == ("a", "b", "c") and "class b" in gap.notes[0]
    many = open_dataset(files(tmp_path / "many", *(f"{k}/{i}.wav" for k in range(11) for i in "ab")))
    assert many.classes[:3] == ("0", "1", "10") and "0, 1, 10, 2" in many.notes[0]


def test_folders_that_are_no_class_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the label 'yse'") as caught:
        open_dataset(files(tmp_path, "yse/1.wav", "no/1.wav"), classes=("yes", "no"))
    assert caught.value.hint == "Did you mean 'yes'?"


def test_the_data_is_read_again_with_the_same_digest(tmp_path: Path) -> None:
    one = open_dataset(files(tmp_path / "one", "a/1.wav", "b/1.wav")).digest()
    assert open_dataset(files(tmp_path / "two", "x/9.wav", "y/8.wav")).digest() == one


def test_the_same_samples_have_the_same_digest_in_every_format(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8), np.arange(5) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y)
    frames = [
        example(image=[item.tobytes()], height=[4], width=[6], label=[int(label)])
        for item, label in zip(x, y, strict=True)
    ]
    (tmp_path / "a.tfrecord").write_bytes(b"".join(map(record, frames)))
    loading = f"import numpy as np\n\n\ndef samples():\n    with np.load({str(tmp_path / 'a.npz')!r}) as file:\n"
    (tmp_path / "mine_same.py").write_text(loading + "        yield from zip(file['x'], file['y'])\n")
    specs = [str(tmp_path / "a.npz"), str(tmp_path / "a.tfrecord"), "mine_same:samples"]
    assert len({open_dataset(spec, folder=tmp_path).digest() for spec in specs}) == 1
