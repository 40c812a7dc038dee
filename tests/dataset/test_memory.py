"""Sets that are much larger than memory should hold: what reading them takes, measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TEN_GB = 10_000_000_000
MOST_GROWTH_BYTES = 200_000_000

MEASURE = """
import json, re, sys
from pathlib import Path
from edgeq.dataset import open_dataset
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak()
told = []
data = open_dataset(sys.argv[1], progress=told.append)
chosen = data.choose(500)
digest = data.digest(chosen)
grown = peak() - before
print(json.dumps({"samples": len(data), "chosen": len(chosen), "grown_bytes": grown, "told": told}))
"""


def measure(path: Path, most_bytes: int = MOST_GROWTH_BYTES) -> dict[str, int]:
    if not Path("/proc/self/status").is_file():
        pytest.skip("only Linux tells the most memory that a process has held")
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    assert found["grown_bytes"] < most_bytes, found
    return found


def test_ten_gigabytes_of_npy(tmp_path: Path) -> None:
    rows = TEN_GB // (224 * 224 * 3)
    with (tmp_path / "big.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, 224, 224, 3)}
        np.lib.format.write_array_header_2_0(file, header)
        os.truncate(file.fileno(), file.tell() + rows * 224 * 224 * 3)
    assert measure(tmp_path / "big.npy")["samples"] == rows


def test_many_lines_of_csv(tmp_path: Path) -> None:
    block = "".join(f"{k % 7},{k},{k / 3:.3f},class{k % 5}\n" for k in range(20_000))
    with (tmp_path / "big.csv").open("w") as file:
        file.write("a,b,c,label\n")
        for _ in range(50):
            file.write(block)
    assert measure(tmp_path / "big.csv", 40_000_000)["samples"] == 1_000_000


def test_a_large_compressed_member(tmp_path: Path) -> None:
    x = np.zeros((300, 1 << 20), np.uint8)
    np.savez_compressed(tmp_path / "big.npz", x=x, y=np.arange(300) % 3)
    assert measure(tmp_path / "big.npz")["chosen"] == 300
