from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edgeq.errors import ArtifactError, EdgeqError, UsageError
from edgeq.model.front_end import HDF5, KERAS, SAVED_MODEL, TFLITE, front_end

HDF5_HEAD = b"\x89HDF\r\n\x1a\n" + bytes(64)
TFLITE_HEAD = b"\x1c\0\0\0TFL3" + bytes(64)


def _zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return path


def test_each_kind_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(HDF5_HEAD)
    (tmp_path / "old.keras").write_bytes(HDF5_HEAD)
    (tmp_path / "a.TFLITE").write_bytes(TFLITE_HEAD)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    assert front_end(_zip(tmp_path / "a.keras", "config.json", "metadata.json", "model.weights.h5")) == KERAS
    assert front_end(tmp_path / "a.h5") == HDF5
    assert front_end(tmp_path / "old.keras") == HDF5
    assert front_end(tmp_path / "a.TFLITE") == TFLITE
    assert front_end(tmp_path / "saved") == SAVED_MODEL


@pytest.mark.parametrize(
    ("name", "content", "kind", "words", "hint"),
    [
        ("a.tflite", b"\x89PNG\r\n\x1a\n", ArtifactError, "is not a .tflite model: it is a PNG image", ""),
        ("a.tflite", b"", ArtifactError, "is an empty file", ""),
        ("a.tflite", b"TFL3", ArtifactError, "is not a .tflite model", ""),
        ("a.tflite", b"version https://git-lfs.github.com", ArtifactError, "a pointer of Git LFS", "fetch"),
        ("a.tflite", b"<!DOCTYPE html>", ArtifactError, "a web page", ""),
        ("a.h5", b"PK\x03\x04" + bytes(20), ArtifactError, "is not a Keras .h5 model: it is a zip archive", ""),
        ("a.keras", b"not a zip", ArtifactError, "is not a .keras model: its content is something else", ""),
        ("a.keras", TFLITE_HEAD, ArtifactError, "it is a .tflite model", "end in .tflite"),
        ("a.keras", b"PK\x03\x04" + bytes(20), ArtifactError, "it is a zip archive", ""),
        ("a.onnx", b"\x08", UsageError, "is an ONNX model, which edgeq does not read", "onnx2tf"),
        ("a.pt", b"\x80", UsageError, "is a PyTorch model", "litert-torch"),
        ("saved_model.pb", b"\x08", UsageError, "is a TensorFlow graph without its folder", "SavedModel folder"),
        ("a.ckpt", b"\x08", UsageError, "a checkpoint, which holds weights only", ""),
        ("a.lite", TFLITE_HEAD, UsageError, r"of no kind that edgeq reads \(.lite\)", "ends in .tflite"),
        ("a", b"\x08", UsageError, r"of no kind that edgeq reads \(no suffix\)", "SavedModel folder"),
    ],
)
def test_a_file_of_another_kind_is_told(
    tmp_path: Path, name: str, content: bytes, kind: type[EdgeqError], words: str, hint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=words) as caught:
        front_end(tmp_path / name)
    assert caught.value.hint and hint in caught.value.hint


def test_a_zip_archive_that_is_no_keras_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"is a zip archive, but not a \.keras model: it holds no config\.json"):
        front_end(_zip(tmp_path / "a.keras", "photo.png"))


def test_a_folder_that_is_no_saved_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a SavedModel folder: it has no saved_model\.pb"):
        front_end(tmp_path)
    (tmp_path / "checkpoint").write_bytes(b"")
    with pytest.raises(UsageError, match="it holds a checkpoint, which is weights only"):
        front_end(tmp_path)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UsageError, match=r"is not a SavedModel folder; '.*1' is"):
        front_end(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        front_end(tmp_path / "none.keras")
