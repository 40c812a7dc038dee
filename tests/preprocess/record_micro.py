"""Records what TFLM's audio front end gives with many parameters, as `tests/cases/preprocess/micro.npz`.

Run by hand with the unpacked source of PyPI's pymicro-features, which holds the front end's C++, and a g++:
`python tests/preprocess/record_micro.py pymicro_features-2.0.2`.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CASES = Path(__file__).resolve().parents[1] / "cases" / "preprocess" / "micro.npz"
RATES = (8000, 11025, 16000, 22050, 44100, 48000)
CASES_COUNT = 24
SHIM = """
#include <string.h>
#include "tensorflow/lite/experimental/microfrontend/lib/frontend.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend_util.h"
extern "C" int front(FrontendConfig *config, int rate, const int16_t *samples, int count, uint16_t *out) {
  FrontendState state;
  if (!FrontendPopulateState(config, &state, rate)) return -1;
  int rows = 0;
  while (count > 0) {
    size_t used;
    FrontendOutput found = FrontendProcessSamples(&state, samples, count, &used);
    samples += used;
    count -= used;
    if (found.size) memcpy(out + rows++ * found.size, found.values, 2 * found.size);
  }
  FrontendFreeStateContents(&state);
  return rows;
}
extern "C" int tables(FrontendConfig *config, int rate, int16_t *window, int16_t *gains) {
  FrontendState state;
  if (!FrontendPopulateState(config, &state, rate)) return -1;
  memcpy(window, state.window.coefficients, 2 * state.window.size);
  if (config->pcan_gain_control.enable_pcan) memcpy(gains, state.pcan_gain_control.gain_lut, 2 * 125);
  return state.window.size;
}
"""


class Config(ctypes.Structure):
    """`struct FrontendConfig`."""

    _fields_ = (
        *(("window_ms", ctypes.c_size_t), ("step_ms", ctypes.c_size_t)),
        *(("channels", ctypes.c_int), ("high_hz", ctypes.c_float), ("low_hz", ctypes.c_float)),
        *(("output_scale_shift", ctypes.c_int), ("smoothing_bits", ctypes.c_int), ("even_smoothing", ctypes.c_float)),
        *(("odd_smoothing", ctypes.c_float), ("min_signal_remaining", ctypes.c_float), ("pcan", ctypes.c_int)),
        *(("pcan_strength", ctypes.c_float), ("pcan_offset", ctypes.c_float), ("pcan_gain_bits", ctypes.c_int)),
        *(("log", ctypes.c_int), ("log_shift", ctypes.c_int)),
    )


def library(source: Path, folder: Path) -> ctypes.CDLL:
    front = source / "tensorflow/lite/experimental/microfrontend/lib"
    skip = ("test", "_io", "main", "memmap")
    files = [path for path in front.glob("*.cc") if not any(word in path.stem for word in skip)]
    (folder / "shim.cc").write_text(SHIM)
    files += [folder / "shim.cc", source / "kissfft/kiss_fft.cc", source / "kissfft/tools/kiss_fftr.cc"]
    options = ["-O2", "-fPIC", "-shared", "-DFIXED_POINT=16", f"-I{source}", f"-I{source}/kissfft"]
    subprocess.run(["g++", *options, "-o", folder / "front.so", *files], check=True)
    return ctypes.CDLL(str(folder / "front.so"))


def parameters(rng: np.random.Generator, rate_hz: int) -> dict[str, Any]:
    window_ms = int(rng.integers(8, 60))
    return {
        "window_ms": window_ms,
        "step_ms": int(rng.integers(4, window_ms + 1)),
        "channels": int(rng.integers(1, 64)),
        "low_hz": round(rng.uniform(0, 300), 2),
        "high_hz": round(rng.uniform(1000, 0.97 * rate_hz / 2), 1),
        "smoothing_bits": int(rng.integers(7, 14)),
        "even_smoothing": round(rng.uniform(0, 0.2), 4),
        "odd_smoothing": round(rng.uniform(0, 0.2), 4),
        "min_signal_remaining": round(rng.uniform(0, 1), 3),
        "pcan": bool(rng.random() < 0.7),
        "pcan_strength": round(rng.uniform(0, 1.2), 3),
        "pcan_offset": round(rng.uniform(1, 200), 2),
        "pcan_gain_bits": int(rng.integers(18, 25)),
        "log": bool(rng.random() < 0.7),
        "log_shift": int(rng.integers(0, 9)),
    }


def sound(rng: np.random.Generator, rate_hz: int) -> np.ndarray:
    """An eighth of a second of noise, from silent to clipping."""
    noise = rng.standard_normal(rate_hz // 8) * 10 ** rng.uniform(0, 4.7)
    return noise.clip(-32768, 32767).astype(np.int16)


if __name__ == "__main__":
    rng = np.random.default_rng(3)
    arrays: dict[str, np.ndarray] = {}
    said = []
    with tempfile.TemporaryDirectory() as folder:
        oracle = library(Path(sys.argv[1]), Path(folder))
        for number in range(CASES_COUNT):
            rate_hz = int(rng.choice(RATES))
            values, samples = parameters(rng, rate_hz), sound(rng, rate_hz)
            out = np.zeros((len(samples), values["channels"]), np.uint16)
            config = Config(**values, output_scale_shift=7)
            rows = oracle.front(ctypes.byref(config), rate_hz, samples.ctypes, len(samples), out.ctypes)
            assert rows > 0, values
            window, gains = np.zeros(4096, np.int16), np.zeros(125, np.int16)
            size = oracle.tables(ctypes.byref(config), rate_hz, window.ctypes, gains.ctypes)
            gains[5::4] = 0  # not used, and never written
            arrays[f"window_{number}"], arrays[f"gains_{number}"] = window[:size], gains
            said.append({"rate_hz": rate_hz, "step": {"do": "micro", **values}})
            arrays[f"samples_{number}"], arrays[f"features_{number}"] = samples, out[:rows]
    np.savez_compressed(CASES, said=np.array(json.dumps(said)), **arrays)
