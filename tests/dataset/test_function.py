"""Samples from the user's own code."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeq.dataset import function, open_dataset
from edgeq.dataset.source import Dataset
from edgeq.errors import UsageError

NUMBER = itertools.count()


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test imports is its own."""
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if name.startswith("mine"):
            del sys.modules[name]


def given(folder: Path, body: str, before: str = "", **options: object) -> Dataset:
    """The dataset of a function with this body, in a module of its own."""
    name = f"mine{next(NUMBER)}"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / f"{name}.py").write_text(f"import numpy as np\n{before}\n\ndef samples():\n{lines}")
    return open_dataset(f"{name}:samples", folder=folder, **options)  # type: ignore[arg-type]


def read(data: Dataset) -> list[list[object]]:
    return [data.read(index)[0].array.tolist() for index in range(len(data))]


@pytest.mark.parametrize(
    "body",
    [
        "return np.array([[1, 2], [3, 4], [5, 6]]), np.array([1, 0, 1])",
        "return {'x': np.array([[1, 2], [3, 4], [5, 6]]), 'label': [1, 0, 1]}",
        "return [([1, 2], 1), ([3, 4], 0), ([5, 6], 1)]",
        "return [(np.array([1, 2]), 'b'), (np.array([3, 4]), 'a'), (np.array([5, 6]), 'b')]",
        "return [{'x': [1, 2], 'y': [0, 1]}, {'x': [3, 4], 'y': [1, 0]}, {'x': [5, 6], 'y': [0, 1]}]",
        "for k in range(3):\n    yield [2 * k + 1, 2 * k + 2], 1 - k % 2",
        "return iter([([1, 2], 1), ([3, 4], 0), ([5, 6], 1)])",
        "return Lazy()",
        "return [([1, 2], True), ([3, 4], False), ([5, 6], np.True_)]",
        "return [([1, 2], np.float32(1)), ([3, 4], b'0'), ([5, 6], np.array([1]))]",
    ],
)
def test_what_a_function_may_give(tmp_path: Path, body: str) -> None:
    lazy = "class Lazy:\n    def __len__(self): return 3\n"
    lazy += "    def __getitem__(self, k): return np.array([2 * k + 1, 2 * k + 2]), 1 - k % 2"
    data = given(tmp_path, body, lazy)
    assert read(data) == [[1, 2], [3, 4], [5, 6]] and data.require_labels().tolist() == [1, 0, 1]
    assert (len(data), data.kind, data.inputs, data.name(2)) == (3, "tensor", ("x",), "sample 2")
    assert str(tmp_path) not in sys.path


def test_without_labels(tmp_path: Path) -> None:
    for body in ("return np.ones((2, 3))", "return [[1.0] * 3] * 2", "yield [1.0] * 3\nyield [1.0] * 3"):
        data = given(tmp_path, body)
        assert data.labels is None and read(data) == [[1.0] * 3] * 2


def test_several_inputs_and_audio(tmp_path: Path) -> None:
    for body in (
        "return [{'a': [k], 'b': [k, k]} for k in range(3)]",
        "for k in range(3): yield {'a': [k], 'b': [k, k]}",
    ):
        data = given(tmp_path, body)
        assert data.inputs == ("a", "b") and [raw.array.tolist() for raw in data.read(2)] == [[2], [2, 2]]
        assert given(tmp_path, body, inputs=("b", "a")).inputs == ("b", "a")
    for body in (
        "yield {'x': np.array([1, 2], np.int16), 'rate_hz': 8000}",
        "from edgeq.preprocess import Raw\nreturn [(Raw(np.array([1, 2], np.int16), 8000), 'yes')]",
    ):
        data = given(tmp_path, body)
        assert data.kind == "audio" and data.read(0)[0].kind == "audio" and data.read(0)[0].rate_hz == 8000


def test_an_object_is_asked_only_for_what_is_read(tmp_path: Path) -> None:
    lazy = "seen = []\nclass Lazy:\n    def __len__(self): return 10**9\n    def __getitem__(self, k):\n"
    lazy += "        seen.append(k)\n        return np.array([k])"
    data = given(tmp_path, "return Lazy()", lazy)
    assert data.read(123456789)[0].array == 123456789 and len(data.choose(5)) == 5
    # Opening asks for the first one twice: to learn its form, and to check it.
    assert sys.modules[data.spec.split(":")[0]].seen == [0, 0, 123456789]


def test_own_labels_save_reading_all(tmp_path: Path) -> None:
    lazy = "class Lazy(list):\n    labels = ['b', 'a']\n    def __getitem__(self, k):\n        return [1.0][k]"
    assert given(tmp_path, "return Lazy([0, 0])", lazy).require_labels().tolist() == [1, 0]


def test_the_function_may_import_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_too").mkdir()
    (tmp_path / "mine_too" / "numbers.py").write_text("VALUES = [[1.0], [2.0]]\n")
    (tmp_path / "mine_too" / "late.py").write_text(
        "def samples():\n    from mine_too.numbers import VALUES\n    return VALUES\n"
    )
    monkeypatch.chdir(tmp_path)
    assert read(open_dataset("mine_too.late:samples")) == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("x = 1\nraise RuntimeError('no disk')", r"raised RuntimeError: no disk \(.*mine\d+\.py, line 6\)"),
        ("import nothing_like_this", r"raised ModuleNotFoundError: .*line 5"),
        ("raise SystemExit(3)", r"raised SystemExit: 3 \(.*line 5"),
        ("return np.ones(3).reshape(2)", r"raised ValueError: .*mine\d+\.py, line 5\)"),
        ("yield [1.0]\n1 / 0", r"raised ZeroDivisionError: division by zero \(.*line 6"),
        ("return None", "gives nothing, which is no set of samples"),
        ("return 7", "gives an int"),
        ("return []", "gives no samples"),
        ("return\nyield", "gives no samples"),
        ("return [[[1], [1, 2]]]", "Sample 0 of .* is no array"),
        ("return [object()]", "Sample 0 of .* is an object, no array"),
        ("return ['text']", "of type <U4, not numbers"),
        ("yield [1.0], 1\nyield [1.0]", "Sample 1 of .* has no label"),
        ("yield {'a': [1.0]}\nyield {'b': [1.0]}", "Sample 1 of .* has no 'a'"),
        ("return [([1.0], [[0.5, 0.2]])]", "Sample 0 of .* has a label that is no class"),
        ("return {'x': np.ones(3), 'y': np.ones(2)}", "3 samples and 2 labels"),
        ("return {'x': np.array([object()])}", "no array of numbers"),
        ("return {'x': [1.0], 'rate_hz': 'fast'}", "no rate in Hz"),
        ("return [{'x': [1.0], 'rate_hz': 8000}]", "Sample 0 of .* is no clip"),
        ("yield {'x': [1.0], 'rate_hz': 8000}", "Sample 0 of .* is no clip"),
        ("return [{'x': [1.0], 'rate_hz': 0}]", "a rate that is no number of Hz"),
    ],
)
def test_what_goes_wrong_is_told(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        given(tmp_path, body)


def test_a_function_that_wants_arguments_is_told_without_a_line_of_edgeq(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_eager.py").write_text("def samples(path):\n    return [[1.0]]\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"missing 1 required positional argument: 'path'\.$") as error:
        open_dataset("mine_eager:samples")
    assert "without arguments" in error.value.hint


def test_an_error_while_a_sample_is_read_is_told(tmp_path: Path) -> None:
    lazy = "class Lazy(list):\n    def __getitem__(self, k): return [1.0, 2.0][k // 5]"
    data = given(tmp_path, "return Lazy(range(20))", lazy)
    with pytest.raises(UsageError, match="raised IndexError: list index out of range"):
        data.read(19)


def test_a_generator_without_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "MOST_SPOOLED", 50)
    with pytest.raises(UsageError, match=r"more than 50 samples .*: does it end"):
        given(tmp_path, "while True: yield [1.0]")
    monkeypatch.setattr(function, "MOST_SPOOLED_BYTES", 5000)
    with pytest.raises(UsageError, match="5,000 bytes"):
        given(tmp_path, "while True: yield np.ones(100)")


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine_names.py").write_text("def calibration(): ...\n")
    with pytest.raises(UsageError, match="no module 'absent_module'"):
        open_dataset("absent_module:samples", folder=tmp_path)
    with pytest.raises(UsageError, match="has no 'samples'") as caught:
        open_dataset("mine_names:samples", folder=tmp_path)
    assert "calibration" in caught.value.hint
    (tmp_path / "mine_broken.py").write_text("def samples(:\n")
    with pytest.raises(UsageError, match=r"raised SyntaxError: .*mine_broken.py, line 1"):
        open_dataset("mine_broken:samples", folder=tmp_path)
    (tmp_path / "calendar.py").write_text("def samples(): return [[1.0]]\n")
    sys.modules["calendar"] = __import__("calendar")
    with pytest.raises(UsageError, match="is hidden by the module 'calendar'"):
        open_dataset("calendar:samples", folder=tmp_path)


def test_generators_are_kept_in_order_on_disk(tmp_path: Path) -> None:
    data = given(tmp_path, "for k in range(100): yield {'a': np.full(k % 7 + 1, k), 'b': [k / 2]}")
    for index in (99, 0, 50):
        a, b = (raw.array for raw in data.read(index))
        assert a.tolist() == [index] * (index % 7 + 1) and b.tolist() == [index / 2]
    assert np.array_equal(data.choose(10), data.choose(10))
