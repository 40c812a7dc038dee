"""Arrays in .npy and .npz files."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutation import mutated

from edgeq.dataset import npy, open_dataset
from edgeq.errors import EdgeqError, UsageError


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_usual_names_are_found(tmp_path: Path) -> None:
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    for index, (samples, labels) in enumerate([("x", "y"), ("X", "Y"), ("images", "labels"), ("features", "targets")]):
        data = open_dataset(save(tmp_path / f"{index}.npz", **{samples: x, labels: y, "name": np.array(["a"] * 3)}))
        assert (len(data), data.inputs, data.kind) == (3, ("x",), "tensor")
        assert data.read(1)[0].array.tolist() == [2, 3] and data.require_labels().tolist() == [0, 1, 2]
    alone = open_dataset(save(tmp_path / "alone.npz", anything=x))
    assert alone.labels is None and alone.read(2)[0].array.tolist() == [4, 5]
    np.save(tmp_path / "plain.npy", x)
    plain = open_dataset(tmp_path / "plain.npy")
    assert plain.labels is None and plain.read(2)[0].array.tolist() == [4, 5] and plain.name(2) == "sample 2"


def test_arrays_without_names_are_samples_and_labels(tmp_path: Path) -> None:
    path, x = tmp_path / "pair.npz", np.ones((3, 2))
    np.savez(path, x, np.array([2, 0, 1]))
    data = open_dataset(path)
    assert data.inputs == ("x",) and data.require_labels().tolist() == [2, 0, 1]
    assert open_dataset(path, inputs=("left", "right")).inputs == ("arr_0", "arr_1")
    np.savez(path, x, x)
    assert open_dataset(path).inputs == ("arr_0", "arr_1")


def test_several_arrays_are_several_inputs(tmp_path: Path) -> None:
    left, right = np.arange(4.0), np.arange(8).reshape(4, 2)
    path = save(tmp_path / "two.npz", left=left, right=right, labels=np.arange(4), name=np.array(list("abcd")))
    data = open_dataset(path)
    assert data.inputs == ("left", "right")
    assert [raw.array.tolist() for raw in data.read(3)] == [3.0, [6, 7]]
    assert open_dataset(path, inputs=["right", "left"]).read(3)[1].array == 3.0
    both = save(tmp_path / "x.npz", x=left, z=right)
    assert open_dataset(both).inputs == ("x",) and open_dataset(both, inputs=("x", "z")).inputs == ("x", "z")
    named = save(tmp_path / "y.npz", x=left, y=right, label=np.arange(4))
    assert open_dataset(named, inputs=("x", "y")).require_labels().tolist() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="4 samples in 'a' and 3 in 'b'"):
        open_dataset(save(tmp_path / "uneven.npz", a=left, b=left[:3]))


def test_a_rate_makes_it_audio(tmp_path: Path) -> None:
    clips = np.arange(20, dtype=np.int16).reshape(2, 10)
    data = open_dataset(save(tmp_path / "clips.npz", x=clips, rate_hz=16000))
    assert data.kind == "audio" and data.read(1)[0].rate_hz == 16000 and data.read(1)[0].kind == "audio"
    with pytest.raises(UsageError, match="not clips"):
        open_dataset(save(tmp_path / "real.npz", x=clips / 32768, rate_hz=16000))
    for rate in (0, "fast", [1, 2], np.nan):
        with pytest.raises(UsageError, match="no rate in Hz"):
            open_dataset(save(tmp_path / "rate.npz", x=clips, rate_hz=rate))


def test_labels_as_numbers_one_hot_rows_and_names(tmp_path: Path) -> None:
    x = np.ones((3, 2))
    for index, y in enumerate([np.array([2, 0, 1]), np.array([[2.0], [0], [1]]), np.eye(3)[[2, 0, 1]], list("cab")]):
        assert open_dataset(save(tmp_path / f"{index}.npz", x=x, y=y)).require_labels().tolist() == [2, 0, 1]
    assert open_dataset(tmp_path / "3.npz").classes == ("a", "b", "c")
    named = save(tmp_path / "named.npz", x=x, y=np.arange(3), classes=np.array(["cat", "dog", "owl"]))
    assert open_dataset(named).classes == ("cat", "dog", "owl")
    with pytest.raises(UsageError, match="the label 'owl', which is no name"):
        open_dataset(named, classes=("cat", "dog"))
    regression = open_dataset(save(tmp_path / "real.npz", x=x, y=np.array([0.5, 1, 2])))
    assert regression.labels is None and len(regression.choose(2)) == 2
    with pytest.raises(UsageError, match="neither class numbers"):
        regression.require_labels()


@pytest.mark.parametrize("kind", [str, np.bytes_])
def test_labels_follow_the_names_that_the_data_has_itself(tmp_path: Path, kind: type) -> None:
    x, own = np.ones((4, 2)), np.array(["cat", "dog", "owl"], kind)
    named = save(tmp_path / "named.npz", x=x, y=np.array([0, 1, 2, 0]), classes=own)
    turned = open_dataset(named, classes=("owl", "cat", "dog"))
    assert turned.classes == ("owl", "cat", "dog") and turned.require_labels().tolist() == [1, 2, 0, 1]
    (note,) = turned.notes
    assert "cat, dog, owl" in note and "order" in note
    assert open_dataset(named, classes=("cat", "dog", "owl")).notes == open_dataset(named).notes == ()
    with pytest.raises(UsageError, match="the label 'owl'") as error:
        open_dataset(named, classes=("cat", "dog", "Owl"))
    assert "Did you mean 'Owl'?" in error.value.hint
    unused = save(tmp_path / "unused.npz", x=x, y=np.array([0, 1, 1, 0]), classes=own)
    assert open_dataset(unused, classes=("dog", "cat")).require_labels().tolist() == [1, 0, 0, 1]


def test_compressed_turned_and_swapped_arrays_are_the_same_data(tmp_path: Path) -> None:
    x, y = np.arange(24, dtype=np.int32).reshape(4, 6), np.arange(4)
    one = open_dataset(save(tmp_path / "one.npz", x=x, y=y)).digest()
    np.savez_compressed(tmp_path / "two.npz", labels=y, images=np.asfortranarray(x))
    np.savez(tmp_path / "three.npz", x=x.astype(">i4"), y=y)
    assert {open_dataset(tmp_path / name).digest() for name in ("two.npz", "three.npz")} == {one}
    np.save(tmp_path / "turned.npy", np.asfortranarray(x))
    np.save(tmp_path / "plain.npy", x)
    assert open_dataset(tmp_path / "turned.npy").digest() == open_dataset(tmp_path / "plain.npy").digest() != one


@pytest.mark.parametrize("saved", [np.savez, np.savez_compressed])
def test_large_members_are_read_where_they_lie_or_unpacked_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: Any
) -> None:
    x = np.random.default_rng(0).normal(size=(300, 40))
    saved(tmp_path / "data.npz", x=x, y=np.arange(300))
    whole = open_dataset(tmp_path / "data.npz").digest()
    monkeypatch.setattr(npy, "LOADED_BYTES", 1000)
    data = open_dataset(tmp_path / "data.npz")
    assert np.array_equal(data.read(299)[0].array, x[299]) and data.digest() == whole


def test_large_arrays_in_fortran_order_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy, "TURNED_BYTES", 100)
    np.save(tmp_path / "f.npy", np.asfortranarray(np.ones((10, 10))))
    with pytest.raises(UsageError, match="Fortran order") as caught:
        open_dataset(tmp_path / "f.npy")
    assert "ascontiguousarray" in caught.value.hint


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.empty((0, 4))}, "holds no samples"),
        ({"x": np.float32(1)}, "holds no samples"),
        ({"x": np.array([[np.nan, 1.0], [1, 2]])}, "Sample 0 of .* not finite"),
        ({"x": np.array(["a", "b"])}, "of type <U1, not numbers"),
        ({"x": np.array([{}, {}], dtype=object)}, "holds Python objects or records"),
        ({"x": np.zeros(2, [("a", "f4")])}, "holds Python objects or records"),
        ({"x": np.ones((3, 2)), "y": np.arange(2)}, "3 samples and 2 labels"),
        ({"x": np.ones((3, 2)), "y": 1}, "3 samples and 1 labels"),
        ({"y": np.ones(3), "labels": np.ones(3)}, "nothing in it is named"),
        ({}, "nothing in it is named"),
    ],
)
def test_bad_data_is_told(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_dataset(save(tmp_path / "bad.npz", **arrays))


def test_a_later_bad_sample_is_told_when_it_is_read(tmp_path: Path) -> None:
    data = open_dataset(save(tmp_path / "late.npz", x=np.array([[1.0], [np.nan]])))
    with pytest.raises(UsageError, match=r"Sample 1 of '.*late.npz' has values that are not finite"):
        data.read(1)


def test_bad_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not a zip")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    for name in ("broken.npz", "broken.npy"):
        with pytest.raises(UsageError, match=f"{name}' cannot be read"):
            open_dataset(tmp_path / name)
    np.save(tmp_path / "short.npy", np.ones((10, 10)))
    short = (tmp_path / "short.npy").read_bytes()[:-1]
    (tmp_path / "short.npy").write_bytes(short)
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as archive:
        archive.writestr("x.npy", short)
    for name in ("short.npy", "short.npz"):
        with pytest.raises(UsageError, match="cut short"):
            open_dataset(tmp_path / name)


def test_a_file_that_shrinks_meanwhile_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((10, 10)))
    data = open_dataset(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-100])
    with pytest.raises(UsageError, match="cut short"):
        data.read(9)
    (tmp_path / "x.npy").unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        data.read(0)


def test_an_input_that_is_misspelled_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npz", left=np.ones((3, 2)), rigth=np.ones((3, 2)))
    with pytest.raises(UsageError, match=r"has nothing for the model's input 'right'; it has left, rigth"):
        open_dataset(path, inputs=("left", "right"))
    assert open_dataset(path, inputs=("a", "b")).inputs == ("left", "rigth")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(["npy", "stored", "compressed"]))
def test_mutated_files_raise_nothing_else(tmp_path: Path, data: st.DataObject, kind: str) -> None:
    x, y = np.arange(12, dtype=np.float32).reshape(4, 3), np.arange(4)
    path = tmp_path / ("m.npy" if kind == "npy" else "m.npz")
    if kind == "npy":
        np.save(path, x)
    else:
        (np.savez if kind == "stored" else np.savez_compressed)(path, x=x, y=y)
    path.write_bytes(mutated(data, path.read_bytes()))
    with contextlib.suppress(EdgeqError):
        found = open_dataset(path)
        found.digest()


def test_the_recorded_sets_are_read(shared_models: Path) -> None:
    data = open_dataset(shared_models / "kws01_audio_i16.npz")
    assert len(data) == 150 and data.read(0)[0].array.shape == (16000,)
    labels = data.require_labels()
    assert np.ptp(np.bincount(labels[data.choose(24)], minlength=12)) <= 1
