"""What `edgeq build` costs beyond the conversion itself, in CPU seconds of all its processes.

Peer: the script that anybody would write with TensorFlow's documentation open: Keras model -> int8 `.tflite` with a
representative dataset, a look that no tensor is float, and eight golden vectors with the LiteRT interpreter. Both start
from the same file and the same calibration samples, in turn, several rounds; the ratio of the medians counts.

    python benchmarks/build_overhead.py [--model MODEL --data DATA] [--rounds N] [--json FILE] [--most 1.15]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BARE = """
import os, sys
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TF_ENABLE_ONEDNN_OPTS="0")
import json
import keras, numpy as np, tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

model_path, data_path, out = sys.argv[1:]
model = keras.models.load_model(model_path, compile=False)
samples = np.load(data_path)["x"]
if len(samples) > 500:
    samples = samples[np.sort(np.random.default_rng(0).choice(len(samples), 500, replace=False))]
samples = samples.reshape(len(samples), *model.inputs[0].shape[1:]).astype(np.float32)

converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
data = converter.convert()

interpreter = Interpreter(model_content=data, num_threads=1)
interpreter.allocate_tensors()
for tensor in interpreter.get_tensor_details():
    assert not np.issubdtype(tensor["dtype"], np.floating), tensor["name"]
source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
scale, zero_point = source["quantization"]
golden = []
for index in np.linspace(0, len(samples) - 1, 8).round().astype(int):
    raw = np.clip(np.rint(samples[index : index + 1] / scale) + zero_point, -128, 127).astype(np.int8)
    interpreter.set_tensor(source["index"], raw)
    interpreter.invoke()
    golden.append({"input": raw.tolist(), "output": interpreter.get_tensor(result["index"]).tolist()})
with open(os.path.join(out, "model.tflite"), "wb") as file:
    file.write(data)
with open(os.path.join(out, "golden.json"), "w") as file:
    json.dump(golden, file)
"""

TINY = """
import keras, numpy as np
from keras import layers as L
keras.utils.set_random_seed(0)
x = keras.Input((28, 28, 1))
y = x
for width in (16, 32, 64):
    y = L.DepthwiseConv2D(3, padding="same")(L.ReLU()(L.BatchNormalization()(L.Conv2D(width, 3, padding="same")(y))))
y = L.Dense(10, activation="softmax")(L.GlobalAveragePooling2D()(y))
keras.Model(x, y).save("model.keras")
np.savez("data.npz", x=np.random.default_rng(0).normal(size=(200, 28, 28, 1)).astype(np.float32))
"""


def cpu_seconds(command: list[str], folder: Path) -> float:
    """User and system time of a command and of all that it started and waited for; its output goes to `folder/log`."""
    environment = {**os.environ, "EDGEQ_HOME": str(folder / "home")}
    search = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(search)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command[:4])} ended with {process.returncode}:\n{(folder / 'log').read_text()[-2000:]}")
    return usage.ru_utime + usage.ru_stime


def measure(model: Path, data: Path, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of both, one after the other, `rounds` times, after one round that warms the disk cache."""
    ours = [sys.executable, "-m", "edgeq", "build", str(model), "--target", "rpi4", "--data", str(data), "-o", "bundle"]
    bare = [sys.executable, "-c", BARE, str(model), str(data), "."]
    found: dict[str, list[float]] = {"edgeq": [], "bare": []}
    for number in range(rounds + 1):
        for name, command in (("bare", bare), ("edgeq", ours)):
            with tempfile.TemporaryDirectory() as folder:
                seconds = cpu_seconds(command, Path(folder))
            if number:
                found[name].append(round(seconds, 3))
                print(f"round {number}: {name:5} {seconds:6.2f} CPU s", file=sys.stderr)
    return found


def main() -> int:
    """Print the ratio; exit code 1 where it is above `--most`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", type=Path, help="a Keras model; by default a small one is made")
    parser.add_argument("--data", type=Path, help="an .npz with the array x")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=float, default=1.15)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    if (given.model is None) != (given.data is None):
        parser.error("--model and --data belong together")
    with tempfile.TemporaryDirectory() as name:
        if given.model is None:
            cpu_seconds([sys.executable, "-c", TINY], Path(name))
            given.model, given.data = Path(name) / "model.keras", Path(name) / "data.npz"
        found = measure(given.model.resolve(), given.data.resolve(), given.rounds)
    medians = {name: statistics.median(values) for name, values in found.items()}
    ratio = medians["edgeq"] / medians["bare"]
    print(f"edgeq build {medians['edgeq']:.2f} CPU s, bare script {medians['bare']:.2f} CPU s: ratio {ratio:.3f}")
    if given.json:
        report = {"unit": "CPU seconds", "samples": found, "medians": medians, "ratio": ratio, "most": given.most}
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if ratio <= given.most else 1


if __name__ == "__main__":
    sys.exit(main())
