"""A set is read once; what is wrong with single samples is remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from practice import bars_case, save

from edgeq.calibration import scan as module
from edgeq.calibration.scan import scan
from edgeq.dataset import open_dataset
from edgeq.preprocess import parse


def test_broken_samples_are_left_out_and_told(tmp_path: Path) -> None:
    case = bars_case(24)
    x = case.x.copy()
    x[3, 0, 0, 0], x[7, 1, 1, 1] = np.nan, np.inf
    facts, samples = scan(open_dataset(save(tmp_path / "x.npz", x, case.y)), None, range(24), print)
    assert len(facts) == len(samples) == 22 and len(facts.broken) == 2 and facts.total == 24
    assert "Sample 3" in facts.broken[0] and "sample 3" not in facts.names
    assert facts.labels is not None and facts.labels.tolist() == np.delete(case.y, [3, 7]).tolist()
    np.testing.assert_array_equal(samples.read(3)[0], x[4])


@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_samples_are_kept_or_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr(module, "_KEPT_BYTES", kept)
    case = bars_case(12)
    half = parse({"input": "image", "steps": [{"do": "scale", "multiply": 0.5, "add": 0}]})
    data = open_dataset(save(tmp_path / "x.npz", case.x.astype(np.uint8), case.y))
    facts, samples = scan(data, half, [1, 4, 9], print)
    for place, index in enumerate((1, 4, 9)):
        np.testing.assert_allclose(samples.read(place)[0], case.x[index] / 2)
    np.testing.assert_allclose(facts.highs, case.x[[1, 4, 9]].max(axis=(1, 2, 3)) / 2)


def test_what_is_heard_of_audio(tmp_path: Path) -> None:
    time = np.arange(8000) / 8000
    tone = np.round(20_000 * np.sin(2 * np.pi * 200 * time)).astype(np.int16)
    clips = np.stack([tone, np.clip(tone.astype(int) * 4, -32768, 32767).astype(np.int16), np.zeros_like(tone)])
    facts, _ = scan(open_dataset(save(tmp_path / "x.npz", clips, None, rate_hz=8000)), None, range(3), print)
    assert facts.clipped[0] == facts.clipped[2] == 0 and facts.clipped[1] > 0.5
    assert facts.loudness[0] == pytest.approx(20_000 / np.sqrt(2), rel=0.01) and facts.loudness[2] == 0
