"""What commands that take minutes refuse before they begin."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import edgeq


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sensitivity", "m.tflite", "--data", "d.npz", "--plot", "layers.png"), "The picture is an SVG"),
        (("sensitivity", "m.tflite", "--data", "d.npz", "--plot", "none/layers.svg"), "there is no such folder"),
        (("build", "m.tflite", "--target", "rpi4", "--prefer", "size"), "--prefer belongs to a search"),
        (("build", "m.tflite", "--target", "rpi4", "--measure", "local:"), "--measure belongs to a search"),
        (("build", "m.tflite", "--target", "rpi4", "--scheduler", "tcp://a:1"), "--scheduler belongs to a search"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_refused_early(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = edgeq(*arguments, capture=capsys, monkeypatch=monkeypatch)
    assert (code, out) == (2, "") and said in err
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_is_refused_early(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "layers.svg").mkdir()
    arguments = ("sensitivity", "m.tflite", "--data", "d.npz", "--plot", str(tmp_path / "layers.svg"))
    code, out, err = edgeq(*arguments, capture=capsys, monkeypatch=monkeypatch)
    assert (code, out) == (2, "") and "it is a folder" in err
