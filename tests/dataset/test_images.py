"""Folders of images, and single ones."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutation import mutated

from edgeq.dataset import open_dataset, picture
from edgeq.dataset.picture import decode_image, looks_encoded, read_image
from edgeq.errors import EdgeqError, UsageError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
GREY = RGB[:, :, 0]


def encoded(pixels: Any, kind: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def folders(root: Path, kind: str = "PNG", suffix: str = ".png") -> Path:
    for number, name in enumerate(["dog", "cat", "owl"]):
        (root / name).mkdir(parents=True)
        for index in range(2):
            (root / name / f"{index}{suffix}").write_bytes(
                encoded(np.full((3, 5, 3), 40 * number + index, np.uint8), kind)
            )
    return root


def test_a_folder_per_class(tmp_path: Path) -> None:
    data = open_dataset(folders(tmp_path / "pets"))
    assert (len(data), data.kind, data.classes) == (6, "image", ("cat", "dog", "owl"))
    assert data.require_labels().tolist() == [0, 0, 1, 1, 2, 2]
    assert data.name(2) == "dog/0.png" and data.read(3)[0].array[0, 0].tolist() == [1, 1, 1]
    assert data.read(0)[0].kind == "image" and data.read(0)[0].array.shape == (3, 5, 3)
    ordered = open_dataset(tmp_path / "pets", classes=("owl", "dog", "cat", "emu"))
    assert ordered.require_labels().tolist() == [2, 2, 1, 1, 0, 0] and ordered.classes[0] == "owl"
    assert sorted(open_dataset(tmp_path / "pets").require_labels()[data.choose(3)].tolist()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("PNG", "png"), ("JPEG", "JPG"), ("JPEG", "jpeg"), ("BMP", "bmp"), ("GIF", "gif"), ("WEBP", "webp")],
)
def test_every_format_is_read(tmp_path: Path, kind: str, suffix: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    path = tmp_path / f"one.{suffix}"
    path.write_bytes(encoded(RGB, kind, **options))
    assert looks_encoded(path.read_bytes())
    pixels = open_dataset(path).read(0)[0].array
    assert pixels.dtype == np.uint8 and pixels.shape == (4, 6, 3)
    if kind in ("PNG", "BMP", "WEBP"):
        assert np.array_equal(pixels, RGB)


def test_modes_become_rgb_or_grey() -> None:
    def shape(data: bytes) -> tuple[int, ...]:
        pixels = decode_image(data, "it").array
        assert pixels.dtype == np.uint8
        return pixels.shape

    assert np.array_equal(decode_image(encoded(GREY), "it").array[:, :, 0], GREY)
    assert shape(encoded(GREY, mode="LA")) == shape(encoded(GREY, mode="1")) == (4, 6, 1)
    assert shape(encoded(RGB, mode="P")) == shape(encoded(RGB, "JPEG", "CMYK")) == (4, 6, 3)
    alpha = np.dstack([RGB, np.zeros((4, 6), np.uint8)])
    assert np.array_equal(decode_image(encoded(alpha), "it").array, RGB)
    deep = np.array([[0, 255, 256, 65535]], np.uint16)
    assert decode_image(encoded(deep), "it").array[:, :, 0].tolist() == [[0, 0, 1, 255]]


def test_exif_turns_it_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode_image(encoded(RGB, exif=exif), "it").array
    assert np.array_equal(turned, np.rot90(RGB, -1))


def test_a_csv_in_the_folder_or_beside_it_or_given(tmp_path: Path) -> None:
    root = folders(tmp_path / "pets")
    (root / "labels.csv").write_text("file,label\ndog/1.png,b\ncat/0.png,a\n\nowl/1.png,b\n")
    inside = open_dataset(root)
    assert inside.classes == ("a", "b") and inside.require_labels().tolist() == [1, 0, 1]
    assert inside.name(0) == "dog/1.png" and inside.read(0)[0].array[0, 0, 0] == 1
    assert open_dataset(root / "labels.csv").digest() == inside.digest()
    (root / "labels.csv").rename(tmp_path / "pets.csv")
    assert open_dataset(root).digest() == inside.digest()
    (tmp_path / "pets.csv").write_text("\ufefflabel;path\n1;pets/dog/1.png\n0;pets/cat/0.png\n")
    assert open_dataset(root).require_labels().tolist() == [1, 0]
    (tmp_path / "pets.csv").write_text("filename\ndog/1.png\n")
    assert open_dataset(root).labels is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\ndog/9.png,a\n", r"line 2: there is no file 'dog/9.png'"),
        ("file,label\ndog/1.png,\n", "line 2: 'dog/1.png' has no label"),
        ("file,label\ndog/1.png,a,b\n", "line 2: there are 3 fields; the header has 2"),
        ("file,label\n", "holds no files"),
        ("file,label\nlabels.csv,a\n", "one file at a time"),
    ],
)
def test_a_bad_csv_is_told(tmp_path: Path, text: str, words: str) -> None:
    root = folders(tmp_path / "pets")
    (root / "labels.csv").write_text(text)
    with pytest.raises(UsageError, match=words):
        open_dataset(root)


def test_two_lists_are_one_too_many(tmp_path: Path) -> None:
    root = folders(tmp_path / "pets")
    for path in (root / "a.csv", root / "b.csv"):
        path.write_text("file,label\ndog/1.png,a\n")
    with pytest.raises(UsageError, match=r"a.csv' and '.*b.csv' both list"):
        open_dataset(root)


def test_broken_files_are_named(tmp_path: Path) -> None:
    whole = encoded(np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8), "JPEG")
    for name, data, words in [
        ("cut.jpg", whole[: len(whole) // 2], "truncated"),
        ("cut.png", encoded(RGB)[:60], "cannot be read"),
        ("text.png", b"no image at all", "none of PNG, JPEG"),
        ("empty.png", b"", "none of PNG"),
        ("post.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "none of PNG"),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=rf"{name}' cannot be read: .*{words}" if "cannot" not in words else words):
            read_image(tmp_path / name)


def test_decompression_bombs_are_refused(tmp_path: Path) -> None:
    for side in (10_000, 100_000):
        header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + png_chunk(b"IEND", b"")
        (tmp_path / "bomb.png").write_bytes(data)
        with pytest.raises(UsageError, match=r"bomb.png' .*pixels"):
            read_image(tmp_path / "bomb.png")


def test_large_files_are_not_loaded(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        os.truncate(file.fileno(), picture.MOST_BYTES + 1)
    with pytest.raises(UsageError, match="268,435,457 bytes"):
        read_image(tmp_path / "huge.png")


def test_without_pillow_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.png").write_bytes(encoded(RGB))
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "PIL":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="Pillow") as caught:
        open_dataset(tmp_path / "one.png")
    assert caught.value.hint == "pip install 'edgeq[images]'"


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(["PNG", "JPEG", "BMP", "GIF", "WEBP"]))
def test_mutated_files_raise_nothing_else(data: st.DataObject, kind: str) -> None:
    with contextlib.suppress(EdgeqError):
        assert decode_image(mutated(data, encoded(RGB, kind)), "it").array.dtype == np.uint8
