"""CSV and TSV files of numbers."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutation import mutated

from edgeq.dataset import open_dataset, tables
from edgeq.errors import EdgeqError, UsageError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "classes", "labels"),
    [
        ("a,b,label\n1,2,dog\n3,4,cat\n", ("cat", "dog"), [1, 0]),
        ("Target,a,b\r\n1,1,2\r\n0,3,4\r\n", (), [1, 0]),
        ("1,2,dog\n3,4,cat", ("cat", "dog"), [1, 0]),
        ("\ufeff1;2;dog\n3;4;cat\n", ("cat", "dog"), [1, 0]),
        ("a\tb\n\n1\t2\n\n3\t4\n", (), None),
        ("1,2\n3,4\n", (), None),
        ('"a","b","class"\n"1",2,"big, dog"\n3,4,cat\n', ("big, dog", "cat"), [0, 1]),
        ("a,b,y\n1,2,0.5\n3,4,1.25\n", (), None),
    ],
)
def test_tables_are_read(tmp_path: Path, text: str, classes: tuple[str, ...], labels: list[int] | None) -> None:
    data = open_dataset(write(tmp_path / "t.csv", text))
    assert [data.read(index)[0].array.tolist() for index in range(len(data))] == [[1, 2], [3, 4]]
    assert data.classes == classes and (None if data.labels is None else data.labels.tolist()) == labels
    assert data.kind == "tensor" and data.name(1) == f"line {len(text.rstrip().splitlines())}"


def test_classes_give_the_order_and_a_tsv_its_tabs(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", "a\tlabel\n1\tdog\n2\tcat\n")
    assert open_dataset(path, classes=("dog", "cat")).require_labels().tolist() == [0, 1]
    with pytest.raises(UsageError, match="the label 'dog'"):
        open_dataset(path, classes=("cat", "dot"))


@pytest.mark.parametrize("header", ["x,y,z,label", "x,y,z,Class", "label,x,y,z", "X,Y,Z,y_pred"])
def test_the_axes_of_a_sensor_are_no_labels(tmp_path: Path, header: str) -> None:
    row = ["1" if name.lower() in "label class y_pred" and len(name) > 1 else "7" for name in header.split(",")]
    data = open_dataset(write(tmp_path / "t.csv", f"{header}\n{','.join(row)}\n"))
    labelled = "y_pred" not in header
    assert data.read(0)[0].array.tolist() == [7, 7, 7, *([] if labelled else [1])]
    assert (data.labels is not None) == labelled


def test_a_label_that_is_guessed_is_told(tmp_path: Path) -> None:
    (note,) = open_dataset(write(tmp_path / "iris.csv", "5.1,3.5,setosa\n7,3.2,virginica\n")).notes
    assert "column 3" in note and "taken as the label" in note
    assert open_dataset(write(tmp_path / "named.csv", "a,label\n1,setosa\n")).notes == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no samples"),
        ("a,label\n", "holds no samples"),
        ("a,b,label\n1,2,x\n1,x\n", "Line 3 of .* has 2 fields; the first line has 3"),
        ("a,b\n1,2\n1,2,3\n", "Line 3 of .* has 3 fields"),
        ("a,b,label\n1,2,\n", "Line 2 of .* has no label"),
        ("1,2,\n3,4,\n", "Line 1 of .* holds nothing, in the column '3'"),
        ("a,b,y\r1,2,0\r", "ends its lines with a carriage return alone"),
        (",a,label\n0,1,x\n", "The column 1 of .* has no name: is it the index of a pandas table"),
        ("a,b,label\nx,2,c\n", "Line 2 of .* holds 'x', which is no number, in the column 'a'"),
        ("a,b,label\n1,,c\n", "holds nothing, in the column 'b'"),
        ("a;b\n1,5;2\n", "holds '1,5', which is no number"),
        ("1,dog,cat\n", "2 texts among its numbers, such as 'dog'"),
        ("a,b\nnan,1\n", "Line 2 .* not finite"),
        ('a,label\n1,"x\ny"\n', "Line 2 of .* cannot be read"),
    ],
)
def test_bad_tables_are_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_dataset(write(tmp_path / "t.csv", text))


def test_a_later_bad_line_is_told_when_it_is_read(tmp_path: Path) -> None:
    rows = "\n\n".join(f"{number},2" for number in range(200))
    data = open_dataset(write(tmp_path / "t.csv", f"a,b\n{rows}\n3,x\n"))
    assert [data.name(index) for index in (0, 63, 64, 150)] == ["line 2", "line 128", "line 130", "line 302"]
    with pytest.raises(UsageError, match=r"Line 401 of '.*t.csv' holds 'x'"):
        data.read(200)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,label\n1,\xff\xfe\n")
    with pytest.raises(UsageError, match="cannot be read"):
        open_dataset(tmp_path / "t.csv")


def test_endless_lines_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LINE_BYTES", 1000)
    with pytest.raises(UsageError, match="a line of more than"):
        open_dataset(write(tmp_path / "t.csv", "1" * 2000))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.floats(-1e9, 1e9), st.sampled_from(["cat", "dog", 'a "b"', "x,y"])), min_size=1, max_size=200
    ),
    st.integers(1, 70),
    st.booleans(),
)
def test_every_line_is_found_again(tmp_path: Path, rows: list[tuple[float, str]], stride: int, header: bool) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([["value", "label"], *rows] if header else rows)
    path = write(tmp_path / "t.csv", text.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "STRIDE", stride)
        data = open_dataset(path)
        assert [float(data.read(index)[0].array[0]) for index in range(len(data))] == [value for value, _ in rows]
        assert [data.classes[number] for number in data.require_labels()] == [label for _, label in rows]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_files_raise_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(mutated(data, b'a,b,label\n1,2,"x"\n3.5,-4e3,y\n5,6,x\n'))
    with contextlib.suppress(EdgeqError):
        assert np.isfinite(open_dataset(path).read(0)[0].array).all()
