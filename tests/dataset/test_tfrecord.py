"""tfrecord files of tf.train.Example."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutation import mutated
from records import example, record

from edgeq.dataset import open_dataset
from edgeq.errors import EdgeqError, UsageError

# Written by tensorflow 2.21: x = [0.5, -1], label = [3].
BY_TENSORFLOW = bytes.fromhex(
    "2500000000000000eabc36f30a230a110a0178120c120a0a080000003f000080bf0a0e0a056c6162656c12051a030a01038d6bbf60"
)


def write(path: Path, *samples: dict[str, Any]) -> Path:
    path.write_bytes(b"".join(record(example(**sample)) for sample in samples))
    return path


def png(pixels: Any) -> bytes:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    file = io.BytesIO()
    image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_bytes_that_tensorflow_wrote(tmp_path: Path) -> None:
    (tmp_path / "one.tfrecord").write_bytes(BY_TENSORFLOW)
    data = open_dataset(tmp_path / "one.tfrecord")
    assert data.read(0)[0].array.tolist() == [0.5, -1] and data.require_labels().tolist() == [3]


def test_numbers_and_labels(tmp_path: Path) -> None:
    data = open_dataset(
        write(tmp_path / "a.tfrecord", {"x": [1.0, 2.0], "label": [1]}, {"x": [3.0, 4.0], "label": [0]})
    )
    assert (len(data), data.kind, data.inputs) == (2, "tensor", ("x",))
    assert data.read(1)[0].array.tolist() == [3, 4] and data.require_labels().tolist() == [1, 0]
    names = open_dataset(write(tmp_path / "b.tfrecord", *({"v": [1], "label": [name]} for name in (b"dog", b"cat"))))
    assert names.classes == ("cat", "dog") and names.require_labels().tolist() == [1, 0]
    hot = open_dataset(write(tmp_path / "c.tfrecord", *({"v": [1], "y": row} for row in ([0.0, 1.0], [1.0, 0.0]))))
    assert hot.require_labels().tolist() == [1, 0]
    real = open_dataset(write(tmp_path / "d.tfrecord", {"v": [1], "y": [0.5, 0.25]}))
    assert real.labels is None


def test_several_numbers_are_several_inputs(tmp_path: Path) -> None:
    data = open_dataset(write(tmp_path / "a.tfrecord", {"b": [1.0], "a": [2, 3]}))
    assert data.inputs == ("a", "b") and [raw.array.tolist() for raw in data.read(0)] == [[2, 3], [1]]


def test_images(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    encoded = open_dataset(
        write(tmp_path / "a.tfrecord", {"image__encoded": [png(pixels)], "image__class__label": [7]})
    )
    assert encoded.kind == "image" and np.array_equal(encoded.read(0)[0].array, pixels)
    assert encoded.require_labels().tolist() == [7]
    sides = {"height": [2], "width": [4]}
    plain = open_dataset(write(tmp_path / "b.tfrecord", {"image": [pixels.tobytes()], **sides}))
    assert np.array_equal(plain.read(0)[0].array, pixels)
    with pytest.raises(UsageError, match="has 5 bytes, which are no 2 x 4 pixels"):
        open_dataset(write(tmp_path / "c.tfrecord", {"image": [b"12345"], **sides}))


def test_numbers_mean_the_names_beside_them(tmp_path: Path) -> None:
    pixels = png(np.zeros((2, 4, 3), np.uint8))

    def named(*pairs: tuple[int, bytes]) -> Path:
        features = [
            {"image__encoded": [pixels], "image__class__label": [number], "image__class__text": [text]}
            for number, text in pairs
        ]
        return write(tmp_path / "t.tfrecord", *features)

    path = named((1, b"dog"), (2, b"cat"), (1, b"dog"))
    turned = open_dataset(path, classes=("cat", "dog"))
    assert turned.classes == ("cat", "dog") and turned.require_labels().tolist() == [1, 0, 1]
    assert open_dataset(path).require_labels().tolist() == [1, 2, 1] and open_dataset(path).classes == ()
    with pytest.raises(UsageError, match="the label 'cat'"):
        open_dataset(path, classes=("dog", "bird"))
    assert open_dataset(named((1, b"dog"), (0, b"cat"))).classes == ("cat", "dog")
    described = named((1, b"dog"), (0, b"cat"), (0, b"a cat on a mat"))
    assert open_dataset(described, classes=("dog", "cat")).require_labels().tolist() == [1, 0, 0]
    worded = named((1, b"Canis lupus"), (0, b"Felis catus"))
    assert open_dataset(worded, classes=("cat", "dog")).require_labels().tolist() == [1, 0]


def test_plain_pixels_that_begin_as_a_file_does(tmp_path: Path) -> None:
    for start in (b"BM", b"RIFF"):
        pixels = start + bytes(8 - len(start))
        data = open_dataset(write(tmp_path / "a.tfrecord", {"image": [pixels], "height": [2], "width": [4]}))
        assert data.read(0)[0].array.tobytes() == pixels


def test_images_of_numbers(tmp_path: Path) -> None:
    sample = {"image": [float(k) for k in range(8)], "height": [2], "width": [4], "label": [1]}
    data = open_dataset(write(tmp_path / "a.tfrecord", sample))
    assert (data.kind, data.inputs) == ("tensor", ("x",))
    assert data.read(0)[0].array[:, :, 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_audio(tmp_path: Path) -> None:
    for index, audio in enumerate([[-32768, 5], [-1.0, 5 / 32768], [struct.pack("<2h", -32768, 5)]]):
        data = open_dataset(write(tmp_path / f"{index}.tfrecord", {"audio": audio, "sample_rate": [8000]}))
        assert data.kind == "audio" and data.read(0)[0].rate_hz == 8000
        assert data.read(0)[0].array.dtype == np.int16 and data.read(0)[0].array.tolist() == [-32768, 5]
    for audio, words in [([40000], "range of int16"), ([1.5], "beyond -1..1"), ([b"odd"], "neither a wav file")]:
        with pytest.raises(UsageError, match=words):
            open_dataset(write(tmp_path / "bad.tfrecord", {"audio": audio}))


def test_shards_in_a_folder_are_one_set(tmp_path: Path) -> None:
    for shard in range(3):
        samples = [{"x": [10 * shard + index], "label": [index]} for index in range(shard)]
        write(tmp_path / f"train.tfrecord-0000{shard}-of-00003", *samples)
    data = open_dataset(tmp_path)
    assert [data.read(index)[0].array.tolist() for index in range(3)] == [[10], [20], [21]]
    assert data.require_labels().tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no records"),
        (b"not a record at all", "does not begin as a record"),
        (gzip.compress(record(example(x=[1])), mtime=0), "is compressed"),
        (record(example(x=[1]))[:-1], "cut short"),
        (record(example(x=[1])) + b"\1", "Sample 1 of .* is cut short"),
        (record(example(x=[1])) + record(example(x=[1]))[:-1], "Sample 1 of .* is cut short"),
        (record(example(x=[1, 2, 3]))[:-5] + b"\0" + record(example(x=[1, 2, 3]))[-4:], "damaged: its checksum"),
        (record(b"\xff\xff"), "no tf.train.Example"),
        (record(example(thing=[b"abc"], other=[b"x"])), r"features other \(bytes x 1\), thing"),
        (record(example(x=[1], label=[1])) + record(example(x=[1])), "Sample 1 of .* has no label"),
        (record(struct.pack("<Q", 1)), "no tf.train.Example"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "bad.tfrecord").write_bytes(content)
    with pytest.raises(UsageError, match=words):
        open_dataset(tmp_path / "bad.tfrecord")


def test_a_damaged_record_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tfrecord", {"x": [1.0, 2.0]}, {"x": [3.0, 4.0]}, {"z": [1.0]})
    data = open_dataset(path)
    whole = bytearray(path.read_bytes())
    whole[2 * len(whole) // 3 - 10] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UsageError, match=r"Sample 1 of '.*a.tfrecord' is damaged"):
        data.read(1)
    with pytest.raises(UsageError, match=r"Sample 2 .* has no feature 'x'"):
        data.read(2)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 2**40), min_size=1, max_size=300), min_size=1, max_size=8))
def test_every_record_is_found_again(tmp_path: Path, samples: list[list[int]]) -> None:
    data = open_dataset(write(tmp_path / "a.tfrecord", *({"x": sample} for sample in samples)))
    assert [data.read(index)[0].array.tolist() for index in range(len(data))] == samples


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_files_raise_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "m.tfrecord"
    path.write_bytes(mutated(data, b"".join(record(example(x=[1.0, 2.0], label=[k])) for k in range(3))))
    with contextlib.suppress(EdgeqError):
        open_dataset(path).digest()


@pytest.mark.slow
def test_tensorflow_writes_what_is_read(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    script = """
import sys, tensorflow as tf
F = tf.train.Feature
with tf.io.TFRecordWriter(sys.argv[1]) as out:
    for k in range(3):
        png = tf.io.encode_png(tf.fill([2, 3, 3], tf.cast(k, tf.uint8)))
        features = {
            "image/encoded": F(bytes_list=tf.train.BytesList(value=[png.numpy()])),
            "label": F(int64_list=tf.train.Int64List(value=[k])),
        }
        out.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
"""
    path = tmp_path / "tf.tfrecord"
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    data = open_dataset(path)
    assert data.require_labels().tolist() == [0, 1, 2]
    assert [data.read(k)[0].array.tolist() for k in range(3)] == [[[[k] * 3] * 3] * 2 for k in range(3)]
