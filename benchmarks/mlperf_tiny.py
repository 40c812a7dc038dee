"""MLPerf Tiny's keyword benchmark over its serial protocol, as the public runner speaks it.

`python benchmarks/mlperf_tiny.py MODELS [--samples 400] [--board-samples 60] [--inferences 20] [--json]`. MODELS is a
folder with `kws_mlperf_int8.tflite` and `kws01_mfcc_int8.npz` (x int8, y). It drives the firmware as a process of this
machine and on the emulated mps2-an386: accuracy, whether the answers are those of the runtime of golden vectors, and on
the board the instructions of one inference against those of `edgeq bench`. Exit code 1 where an answer is another one,
or where the protocol costs more than 1 % of an inference.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgeq import emulate
from edgeq.deploy import deploy
from edgeq.device.open import open_device
from edgeq.firmware import build_firmware
from edgeq.quantize.golden import make_golden
from edgeq.runtime import Model
from edgeq.target import load_target

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from mlperf import FAMILY, Dut, Line, dut_bundle, settle  # type: ignore[import-not-found]  # noqa: E402

BOARD = "mps2-an386"
INSTRUCTIONS_PER_US = 1000 / 128
"""Of the emulated board: an instruction takes 128 ns of its clock."""
MOST = 1.01


@contextmanager
def process(folder: Path) -> Iterator[str]:
    """The firmware as a process; where it answers."""
    command = ["make", "-s", "-C", str(ROOT / "firmware_stubs"), "-f", "firmware.mk", "PORT=host", f"BUILD={folder}"]
    subprocess.run(command, check=True)
    running = subprocess.Popen([folder / "firmware.elf", folder / "flash.bin"], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout
        yield running.stdout.readline().strip()
    finally:
        running.kill()
        running.wait()


@contextmanager
def board() -> Iterator[str]:
    """The emulated board, of an EDGEQ_HOME of its own."""
    build_firmware(load_target(BOARD))
    try:
        yield emulate.start(BOARD).address
    finally:
        emulate.stop(BOARD)


def wanted(model: bytes, samples: list[bytes]) -> list[list[float]]:
    """The values that each sample must give, with three digits."""
    info = Model(model).outputs[0]
    rows = [np.frombuffer(row[0], np.int8) for row in make_golden(model, [[data] for data in samples], FAMILY).outputs]
    return [[round(float((int(value) - info.zero_point) * info.scale), 3) for value in row] for row in rows]


def instructions(address: str, runs: int) -> float:
    """Of one inference, as `bench` has them."""
    with open_device(address) as device:
        return float(np.median(device.bench(runs, 1, 0)["invoke_instructions"]))


def drive(
    address: str, folder: Path, model: bytes, samples: list[bytes], labels: list[int], count: int
) -> dict[str, Any]:
    with open_device(address) as device:
        deploy(dut_bundle(folder / "kws01", "kws01", model, samples[:1], device.describe()), device)
    settle()
    with Line(address) as line:
        dut = Dut(line.talk)
        name = dut.name()
        accuracy, rows = dut.accuracy(samples, labels)
        windows = dut.performance(samples[0], count, 2)
    per_inference = [window.elapsed_us / count for window in windows]
    differ = sum(
        max(abs(a - b) for a, b in zip(row, must, strict=True)) > 0.0011
        for row, must in zip(rows, wanted(model, samples), strict=True)
    )
    return {
        "name": name,
        "samples": len(samples),
        "accuracy": accuracy,
        "other_answers": differ,
        "lap_us_per_inference": sorted(per_inference)[len(per_inference) // 2],
        "spread_us": max(per_inference) - min(per_inference),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--board-samples", type=int, default=60)
    parser.add_argument("--inferences", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data = np.load(given.models / "kws01_mfcc_int8.npz")
    model = (given.models / "kws_mlperf_int8.tflite").read_bytes()
    samples, labels = [row.tobytes() for row in data["x"]], [int(label) for label in data["y"]]
    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["EDGEQ_HOME"] = str(folder / "home")
        with process(folder) as address:
            few = given.samples
            told.append(drive(address, folder / "process", model, samples[:few], labels[:few], given.inferences))
        with board() as address:
            few = given.board_samples
            row = drive(address, folder / "board", model, samples[:few], labels[:few], given.inferences)
            row["instructions"] = row["lap_us_per_inference"] * INSTRUCTIONS_PER_US
            row["of_bench"] = row["instructions"] / instructions(address, 5)
            told.append(row)
    if given.json:
        print(json.dumps(told, indent=1))
    for row in () if given.json else told:
        print(
            ", ".join(
                f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )
    return int(any(row["other_answers"] or not row.get("of_bench", 1) <= MOST for row in told))


if __name__ == "__main__":
    sys.exit(main())
