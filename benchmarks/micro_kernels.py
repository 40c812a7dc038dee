"""Instructions of one inference on an emulated Cortex-M4, beside TensorFlow Lite Micro with CMSIS-NN.

The peer's numbers are published ones, not measured here: TFLM 90b983c2 with CMSIS-NN 4ab83cc3, gcc 12.2 -O2, second
invoke, on the same machine (QEMU 7.2, mps2-an386, -icount shift=6). Ours is `eq_invoke` as a whole, of the files that
`edgeq build` makes for a Cortex-M4. Instructions are not cycles: there are no caches and no wait states.

    python benchmarks/micro_kernels.py [--models FOLDER] [--portable] [--json FILE] [--least 1.0]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgeq.micro.compile import compile_model
from edgeq.micro.native import NativeModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "firmware"))
import board  # type: ignore[import-not-found]  # noqa: E402 (the folder is not on the path before)

PEER = "TFLM + CMSIS-NN"
PUBLISHED = {"kws": 7_699_702, "ic": 29_863_109, "ad": 582_843}
MACS = {"kws": 2_656_768, "ic": 12_501_632, "ad": 264_192}
INVOKES = 3


def measure(models: Path, *variables: str) -> dict[str, int]:
    """Instructions of the last of some invokes with random inputs, for each model; outputs are compared with the
    portable runtime's on this machine."""
    images = []
    for name in PUBLISHED:
        image = compile_model((models / f"{name}_mlperf_int8.tflite").read_bytes()).image()
        rng = np.random.default_rng(0)
        with NativeModel(image) as model:
            inputs = [[rng.bytes(size) for size in model.input_bytes] for _ in range(INVOKES)]
            images.append((image, [(given, model.invoke(given)) for given in inputs]))
    with tempfile.TemporaryDirectory() as folder:
        told = board.run(board.build(Path(folder), *variables), images)
    if any(item.status or item.wrong for item in told):
        raise SystemExit(f"the board answers something else than this machine: {told}")
    return {name: item.instructions for name, item in zip(PUBLISHED, told, strict=True)}


def main() -> int:
    """Print the table; exit code 1 where a ratio is below `--least`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models")
    parser.add_argument("--portable", action="store_true", help="the portable kernels in place of those for Armv7E-M")
    parser.add_argument("--least", type=float, default=1.0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    missing = board.missing_tools()
    if missing:
        parser.error(f"not installed: {', '.join(missing)}")
    found = measure(given.models, *(["ISA=portable"] if given.portable else []))
    rows = {
        name: {
            "edgeq": count,
            PEER: PUBLISHED[name],
            "ratio": round(PUBLISHED[name] / count, 3),
            "per_mac": round(count / MACS[name], 3),
        }
        for name, count in found.items()
    }
    print(f"{'model':6} {'edgeq':>12} {PEER:>16} {'ratio':>6} {'per MAC':>8}   instructions, Cortex-M4")
    for name, row in rows.items():
        print(f"{name:6} {row['edgeq']:12,} {row[PEER]:16,} {row['ratio']:6.2f} {row['per_mac']:8.2f}")
    if given.json:
        report = {"unit": "instructions", "peer": f"{PEER}, published", "models": rows, "least": given.least}
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["ratio"] >= given.least for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
