"""Folders of wav files, and single ones."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import mutated

from edgeq.dataset import open_dataset, riff
from edgeq.dataset.riff import decode_wav, read_wav
from edgeq.errors import EdgeqError, UsageError

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def wav(
    data: bytes,
    width: int,
    *,
    channels: int = 1,
    rate_hz: int = 16000,
    tag: int = 1,
    bits: int | None = None,
    **more: Any,
) -> bytes:
    """A file with these samples; `extensible`, `size` (what the data chunk says) and `before` (chunks) as wanted."""
    bits = 8 * width if bits is None else bits
    extensible = more.get("extensible", False)
    form = struct.pack(
        "<HHIIHH", 0xFFFE if extensible else tag, channels, rate_hz, rate_hz * channels * width, channels * width, bits
    )
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 3, tag) + GUID_TAIL
    body = b"WAVE" + chunk(b"fmt ", form) + more.get("before", b"") + chunk(b"data", data, more.get("size"))
    return chunk(b"RIFF", body)


def values(data: bytes) -> list[int]:
    raw = decode_wav(data, "it")
    assert raw.array.dtype == np.int16 and raw.kind == "audio"
    return raw.array.tolist()


def packed24(samples: list[int]) -> bytes:
    return b"".join(sample.to_bytes(3, "little", signed=True) for sample in samples)


def test_every_width_becomes_int16() -> None:
    assert values(wav(bytes([0, 128, 255]), 1)) == [-32768, 0, 32512]
    assert values(wav(struct.pack("<3h", -32768, 5, 32767), 2)) == [-32768, 5, 32767]
    assert values(wav(packed24([-8388608, 256, 384, 8388607]), 3)) == [-32768, 1, 2, 32767]
    assert values(wav(struct.pack("<4i", -(2**31), 65536, -98304, 2**31 - 1), 4)) == [-32768, 1, -2, 32767]
    assert values(wav(struct.pack("<4f", -1, 0.5, 1, 3), 4, tag=3)) == [-32768, 16384, 32767, 32767]
    assert values(wav(struct.pack("<2d", -0.25, 12.5), 8, tag=3)) == [-8192, 32767]


def test_channels_are_averaged() -> None:
    assert values(wav(struct.pack("<4h", 10, 20, -3, -5), 2, channels=2)) == [15, -4]
    assert values(wav(struct.pack("<3f", 0.5, 0.25, 0), 4, channels=3, tag=3)) == [8192]


def test_extensible_and_other_chunks_are_understood() -> None:
    samples = struct.pack("<2h", 7, -7)
    assert values(wav(samples, 2, extensible=True)) == [7, -7]
    assert values(wav(struct.pack("<f", 0.5), 4, tag=3, extensible=True)) == [16384]
    assert values(wav(packed24([256]), 3, bits=20, extensible=True)) == [1]
    assert values(wav(samples, 2, before=chunk(b"LIST", b"odd"))) == [7, -7]
    # What came through a pipe does not know its length.
    assert values(wav(samples + b"\1", 2, size=0xFFFFFFFF)[:-1]) == [7, -7]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it has no bytes"),
        (bytes(60), "nothing but zeros"),
        (b"ID3" + bytes(40), "not a RIFF WAVE file"),
        (wav(struct.pack("<2f", 20000, -3), 4, tag=3), r"its floats go up to 20000, where -1 to 1 is full scale"),
        (b"fLaC" + bytes(40), "FLAC"),
        (wav(b"\0\0", 2)[:20], r"chunk b'fmt ' has 16 bytes, and 0 are left"),
        (wav(b"\0" * 8, 2)[:-3], "cut short: it says 8 bytes of samples, and 5 are there"),
        (wav(b"", 2), "it is empty"),
        (wav(b"\0" * 3, 2), "no whole frames"),
        (wav(b"\0" * 4, 2, tag=17), r"compressed \(IMA ADPCM\)"),
        (wav(b"\0" * 4, 2, tag=999), r"compressed \(codec 999\)"),
        (wav(b"\0" * 4, 2, rate_hz=0), "1 channels at 0 Hz"),
        (wav(b"\0" * 4, 2, channels=0), "0 channels"),
        (wav(b"\0" * 4, 2, tag=3), "2 bytes hold a frame"),
        (wav(b"\0" * 4, 2, bits=24), "24 bits in 2 bytes"),
        (wav(struct.pack("<2f", 0, np.nan), 4, tag=3), "not finite"),
        (chunk(b"RIFF", b"WAVE" + chunk(b"data", b"\0\0")), "behind its data"),
        (chunk(b"RIFF", b"WAVE"), "no data chunk"),
        (chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", b"\1\0")), "format chunk has 2 bytes"),
    ],
)
def test_broken_files_are_told(data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        decode_wav(data, "it")


def test_only_a_codec_is_converted() -> None:
    for data, words in ((wav(b"", 2), "again"), (b"", "again"), (wav(bytes(4), 2, tag=6), "ffmpeg")):
        with pytest.raises(UsageError) as error:
            decode_wav(data, "it")
        assert words in error.value.hint
    assert values(wav(struct.pack("<2f", 1.5, -2), 4, tag=3)) == [32767, -32768]


def test_long_files_are_no_clips(tmp_path: Path) -> None:
    with (tmp_path / "day.wav").open("wb") as file:
        os.truncate(file.fileno(), riff.MOST_BYTES * 2)
    with pytest.raises(UsageError, match=r"day.wav' is no clip"):
        read_wav(tmp_path / "day.wav")


@settings(max_examples=60)
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50), st.integers(1, 192000), st.booleans())
def test_what_the_standard_library_writes_comes_back(samples: list[int], rate_hz: int, ours: bool) -> None:
    data = struct.pack(f"<{len(samples)}h", *samples)
    file = io.BytesIO()
    if ours:
        file.write(wav(data, 2, rate_hz=rate_hz, extensible=True))
    else:
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate_hz)
            out.writeframes(data)
    raw = decode_wav(file.getvalue(), "it")
    assert raw.array.tolist() == samples and raw.rate_hz == rate_hz


@settings(max_examples=200)
@given(st.data(), st.integers(1, 4), st.booleans())
def test_mutated_files_raise_nothing_else(data: st.DataObject, width: int, extensible: bool) -> None:
    with contextlib.suppress(EdgeqError):
        assert decode_wav(mutated(data, wav(bytes(range(24)), width, extensible=extensible)), "it").array.ndim == 1


def test_folders_as_speech_commands_has_them(tmp_path: Path) -> None:
    for name in ("yes", "no", "_background_noise_"):
        (tmp_path / name).mkdir()
        for index in range(2):
            data = wav(struct.pack("<2h", index, len(name)), 2, rate_hz=8000 * (index + 1))
            (tmp_path / name / f"{index}.wav").write_bytes(data)
    (tmp_path / "testing_list.txt").write_text("yes/0.wav\n")
    data = open_dataset(tmp_path)
    assert (len(data), data.kind, data.classes) == (4, "audio", ("no", "yes"))
    assert data.require_labels().tolist() == [0, 0, 1, 1]
    assert data.read(3)[0].array.tolist() == [1, 3] and data.read(3)[0].rate_hz == 16000
    assert "_background_noise_" in data.notes[0] and "1 other file" in data.notes[1]
    single = open_dataset(tmp_path / "yes" / "1.wav")
    assert len(single) == 1 and single.labels is None and single.read(0)[0].array.tolist() == [1, 3]
    (tmp_path / "yes" / "1.wav").write_bytes(b"RIFF")
    with pytest.raises(UsageError, match=r"yes/1.wav' cannot be read"):
        data.read(3)
