"""What the agent's bench adds to a bare LiteRT loop's steady state on `local:`, as a ratio of medians.

`python benchmarks/agent_overhead.py [--model FILE.tflite] [--pairs 10] [--seconds 1] [--json]`. The two take turns, A B
B A, so that what drifts disturbs both alike. The bare loop is another process with nothing but the interpreter and the
clock; the other one is `edgeq bench`, from the command to the run. Each pair gives one ratio; the interval is a
bootstrap over pairs. The bar is 3 %.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BAR = 0.03
WARMUP = 50
BARE = """
import json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
path, threads, seconds, warmup = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
interpreter = Interpreter(path, num_threads=threads)
interpreter.allocate_tensors()
for detail, data in zip(interpreter.get_input_details(), np.load(sys.argv[5]).values()):
    interpreter.set_tensor(detail["index"], data)
invoke, clock = interpreter.invoke, time.perf_counter_ns
for _ in range(warmup):
    invoke()
samples = []
until = clock() + int(seconds * 1e9)
while clock() < until:
    start = clock()
    invoke()
    samples.append(clock() - start)
print(json.dumps(samples))
"""


def main() -> int:
    """Exit code 1 where the interval lies beyond the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a quantized .tflite; a convolution of our own by default")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEQ_HOME"], os.environ["XDG_DATA_HOME"] = f"{folder}/home", f"{folder}/data"
        found = measured(Path(folder), given.model, given.pairs, given.seconds)
    print(json.dumps(found) if given.json else told(found))
    return int(found["low"] > 1 + BAR)


def measured(folder: Path, model: Path | None, pairs: int, seconds: float) -> dict[str, Any]:
    """Pairs of medians, in ns, and the ratio with its interval."""
    from edgeq.bench import bench
    from edgeq.device.open import open_device
    from edgeq.protocol import cbor

    bundle = made(folder, model)
    tensors = json.loads((bundle / "interface.json").read_text(encoding="utf-8"))["inputs"]
    inputs = cbor.loads((bundle / "golden.cbor").read_bytes())["inputs"][0]
    arrays = [
        np.frombuffer(data, tensor["dtype"]).reshape(tensor["shape"])
        for tensor, data in zip(tensors, inputs, strict=True)
    ]
    np.savez(folder / "inputs.npz", *arrays)

    def bare() -> float:
        command = [sys.executable, "-c", BARE, str(bundle / "model.tflite"), "1", str(seconds), str(WARMUP)]
        done = subprocess.run([*command, str(folder / "inputs.npz")], capture_output=True, text=True, check=True)
        return float(np.median(json.loads(done.stdout.splitlines()[-1])))

    with open_device("local:") as device:

        def agent() -> float:
            run = bench(device, runs=10**6, seconds=seconds, warmup=WARMUP, threads=1, probes=[])
            invoke = run.one("invoke")
            assert invoke is not None
            return float(np.median(invoke.values))

        from edgeq.bundle import read_bundle
        from edgeq.deploy import deploy

        deploy(read_bundle(bundle), device)
        rows = []
        for index in range(pairs):
            order = (bare, agent) if index % 2 == 0 else (agent, bare)
            medians = {one.__name__: one() for one in order}
            rows.append((medians["bare"], medians["agent"]))
        device.reset()
    ratios = np.array([with_agent / without for without, with_agent in rows])
    low, high = interval(ratios)
    return {"pairs": rows, "ratio": float(np.median(ratios)), "low": low, "high": high, "bar": 1 + BAR}


def made(folder: Path, model: Path | None) -> Path:
    """A bundle of the model for this machine."""
    if model is None:
        sys.path.insert(0, str(ROOT / "tests" / "support"))
        return Path(import_module("bundles").make_bundle(folder / "bundle").folder)
    from edgeq.build import build
    from edgeq.target import load_target

    (built,) = build(model, [load_target("linux-x86_64")], out=folder / "out")
    return Path(built.bundle.folder)


def interval(ratios: np.ndarray[Any, Any]) -> tuple[float, float]:
    """A 95 % percentile bootstrap interval of the median ratio."""
    picks = np.random.default_rng(0).integers(0, ratios.size, (5000, ratios.size))
    low, high = np.quantile(np.median(ratios[picks], axis=1), (0.025, 0.975))
    return float(low), float(high)


def told(found: dict[str, Any]) -> str:
    """For people."""
    rows = [
        f"  bare {bare / 1e3:9.3f} us   agent {agent / 1e3:9.3f} us   {agent / bare:.4f}"
        for bare, agent in found["pairs"]
    ]
    ratio = f"agent / bare: {found['ratio']:.4f} (95 % interval {found['low']:.4f} to {found['high']:.4f})"
    return "\n".join([*rows, f"{ratio}; the bar is {found['bar']:.2f}"])


if __name__ == "__main__":
    sys.exit(main())
