from __future__ import annotations

import numpy as np
import pytest

from edgeq.evaluate.corrupt.audio import AUDIO
from edgeq.preprocess import Raw

NAMED = {each.name: each for each in AUDIO}
TONE = Raw((8000 * np.sin(np.arange(16000) / 7)).astype(np.int16), 16000)


def test_noise_is_so_many_decibels_below_the_clip() -> None:
    found = NAMED["noise"].corrupt(TONE, 3, (0,))
    noise = found.array.astype(float) - TONE.array
    power = (TONE.array.astype(float) ** 2).mean()
    assert 10 * np.log10(power / (noise**2).mean()) == pytest.approx(10, abs=0.2)
    assert found.rate_hz == 16000 and found.array.dtype == np.int16
    silence = Raw(np.zeros(100, np.int16), 16000)
    assert not NAMED["noise"].corrupt(silence, 5, (0,)).array.any()


def test_a_shift_goes_either_way_and_leaves_silence() -> None:
    clip, ways = Raw(np.arange(1, 101, dtype=np.int16), 100), set()
    for seed in range(8):
        found = NAMED["shift"].corrupt(clip, 5, (0, seed)).array
        later = found[0] == 0
        ways.add(bool(later))
        kept = found[20:] if later else found[:80]
        assert (kept == (clip.array[:80] if later else clip.array[20:])).all() and (found == 0).sum() == 20
    assert ways == {True, False}


def test_gain_is_quieter_and_clipping_louder() -> None:
    assert np.abs(NAMED["gain"].corrupt(TONE, 1, (0,)).array).max() == pytest.approx(8000 * 10 ** (-6 / 20), abs=2)
    loud = NAMED["clipping"].corrupt(TONE, 5, (0,)).array
    assert loud.max() == 32767 and loud.min() == -32768
