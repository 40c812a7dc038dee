"""One wav file -> int16 mono. A parser of our own: the standard library's knows neither float nor extensible files."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import UsageError
from edgeq.preprocess.raw import Raw

MOST_BYTES = 256 << 20
"""Samples of one clip; about 24 minutes of 16-bit stereo at 44.1 kHz."""
MOST_RATE_HZ = 1_000_000

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_CODECS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 49: "GSM", 85: "MP3"}
_UNTOLD = 0xFFFFFFFF
_CONVERT = "Convert it: ffmpeg -i in.wav -c:a pcm_s16le out.wav"
_AGAIN = "Record or copy it again, or leave it out."
_MOST_FLOAT = 16.0
"""Beyond this a float is no loud sample, but one on the scale of integers."""


@dataclass(frozen=True)
class Format:
    """The `fmt ` chunk. `width` is the bytes of one channel of one frame."""

    floating: bool
    channels: int
    rate_hz: int
    width: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.width


class _Broken(ValueError):
    """Why it is no wav that can be read, and what helps."""

    def __init__(self, reason: str, hint: str = _CONVERT) -> None:
        super().__init__(reason)
        self.hint = hint


def read_wav(path: Path) -> Raw:
    """int16 [n] at the rate of the file: channels averaged, wider samples rounded, float from -1..1 times 32768."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES + (1 << 20):
            raise _Broken(f"it has {size:,} bytes, and a clip may have {MOST_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The wav file '{path}' cannot be read: {error.strerror}.", "Is it still there?") from error
    except _Broken as error:
        raise UsageError(f"The wav file '{path}' is no clip: {error}.", "Cut it into clips.") from error
    return decode_wav(data, f"'{path}'")


def decode_wav(data: bytes, what: str) -> Raw:
    """The same from the bytes of a file; `what` names it in errors."""
    try:
        form, samples = _parse(data)
        return Raw(_mono(form, samples), form.rate_hz)
    except _Broken as error:
        raise UsageError(f"The wav file {what} cannot be read: {error}.", error.hint) from error


def _parse(data: bytes) -> tuple[Format, bytes]:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        if not data.strip(b"\0"):
            raise _Broken("it has no bytes" if not data else "it holds nothing but zeros", _AGAIN)
        kinds = {b"RIFX": "big-endian RIFF", b"RF64": "RF64", b"FORM": "AIFF", b"fLaC": "FLAC", b"OggS": "Ogg"}
        raise _Broken(f"it is {kinds.get(data[:4], 'not a RIFF WAVE file')}")
    form, place = None, 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], struct.unpack_from("<I", data, place + 4)[0]
        place += 8
        left = len(data) - place
        if name == b"data":
            return _samples(form, data[place:], size)
        if size > left:
            raise _Broken(f"its chunk {name!r} has {size:,} bytes, and {left:,} are left in the file", _AGAIN)
        if name == b"fmt ":
            form = _format(data[place : place + size])
        place += size + size % 2
    raise _Broken("it has no data chunk", _AGAIN)


def _format(chunk: bytes) -> Format:
    if len(chunk) < 16:
        raise _Broken(f"its format chunk has {len(chunk)} bytes instead of 16 or more")
    tag, channels, rate_hz, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != _GUID_TAIL:
            raise _Broken("its extended format is unknown")
        tag = struct.unpack_from("<H", chunk, 24)[0]
    if tag not in (_PCM, _FLOAT):
        raise _Broken(f"it is compressed ({_CODECS.get(tag, f'codec {tag}')})")
    if not channels or not 1 <= rate_hz <= MOST_RATE_HZ:
        raise _Broken(f"it has {channels} channels at {rate_hz} Hz")
    width = frame_bytes // channels
    if width * channels != frame_bytes or width not in ((4, 8) if tag == _FLOAT else (1, 2, 3, 4)):
        raise _Broken(f"{frame_bytes} bytes hold a frame of {channels} channels")
    if not 1 <= bits <= 8 * width:
        raise _Broken(f"its samples have {bits} bits in {width} bytes")
    return Format(tag == _FLOAT, channels, rate_hz, width)


def _samples(form: Format | None, rest: bytes, size: int) -> tuple[Format, bytes]:
    if form is None:
        raise _Broken("its format comes behind its data")
    if size == _UNTOLD:
        # Written to a pipe: the length was not known, so the samples are the rest of the file.
        size = len(rest) // form.frame_bytes * form.frame_bytes
    if size > len(rest):
        raise _Broken(f"it is cut short: it says {size:,} bytes of samples, and {len(rest):,} are there", _AGAIN)
    if not size:
        raise _Broken("it is empty", _AGAIN)
    if size % form.frame_bytes:
        raise _Broken(f"{size:,} bytes of samples are no whole frames of {form.frame_bytes}", _AGAIN)
    return form, rest[:size]


def _mono(form: Format, data: bytes) -> NDArray[np.int16]:
    if form.width == 2 and form.channels == 1:
        return np.frombuffer(data, "<i2").astype(np.int16)
    with np.errstate(all="ignore"):
        values: NDArray[np.float64] = _scaled(form, data).reshape(-1, form.channels).mean(axis=1)
    if not np.isfinite(values).all():
        raise _Broken("it has samples that are not finite (NaN or infinity)", "Mend what wrote it, or leave it out.")
    if form.floating and np.abs(values).max() > _MOST_FLOAT * 32768:
        raise _Broken(
            f"its floats go up to {np.abs(values).max() / 32768:.5g}, where -1 to 1 is full scale",
            "Divide them by the full scale before they are saved, such as 32768.",
        )
    mono: NDArray[np.int16] = np.rint(values).clip(-32768, 32767).astype(np.int16)
    return mono


def _scaled(form: Format, data: bytes) -> NDArray[np.float64]:
    """On the scale of int16."""
    if form.floating:
        return np.frombuffer(data, f"<f{form.width}").astype(np.float64) * 32768
    if form.width == 1:
        return (np.frombuffer(data, np.uint8).astype(np.float64) - 128) * 256
    if form.width == 3:
        wide: NDArray[Any] = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0] / 65536
    return np.frombuffer(data, f"<i{form.width}").astype(np.float64) / (1 if form.width == 2 else 65536)
