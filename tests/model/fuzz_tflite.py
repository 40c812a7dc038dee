"""Fuzzes what reads `.tflite` files, with atheris (libFuzzer for Python); see docs/fuzzing.md.

    pip install atheris
    python tests/model/fuzz_tflite.py [SEEDS...] -- -runs=1000000 -max_len=8192 -timeout=5

SEEDS are `.tflite` files or folders of them; files over `-max_len` bytes are left out. Without any, small models are
drawn from the strategies of tests/micro.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "model"), str(ROOT / "tests" / "micro")]

with atheris.instrument_imports(include=["edgeq.model", "edgeq.quantize", "edgeq.interface"]):
    import hostile

MOST_BYTES = 8192


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Half of the time numbers are changed where numbers are, else libFuzzer does what it likes."""
    if seed % 2:
        return hostile.spoilt(data, random.Random(seed))[:most]
    return bytes(atheris.Mutate(data, most))


def once(data: bytes) -> None:
    hostile.judge(data)


def drawn() -> list[bytes]:
    """Small models of every operator that the plan compiler knows."""
    import single_ops
    import test_hostile

    return [model for name in single_ops.OPS for model in test_hostile.drawn(name)[:2]]


def seeds(given: list[str]) -> list[bytes]:
    paths = [
        path for name in given for path in ([Path(name)] if Path(name).is_file() else Path(name).rglob("*.tflite"))
    ]
    found = [path.read_bytes() for path in paths] if paths else drawn()
    return [data for data in found if len(data) <= MOST_BYTES]


def main() -> None:
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    with tempfile.TemporaryDirectory() as corpus:
        for index, data in enumerate(seeds(sys.argv[1:split])):
            (Path(corpus) / f"seed-{index}").write_bytes(data)
        options = sys.argv[split + 1 :] or ["-runs=1000000", "-timeout=5"]
        atheris.Setup([sys.argv[0], f"-max_len={MOST_BYTES}", *options, corpus], once, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
