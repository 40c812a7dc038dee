"""An application on a Linux device that runs the model itself: the files of the serving release at their stable path.

    python3 own_runtime.py values.json     (real values of the model's input, as nested lists)

`current` follows every deploy and rollback; open it anew when another release shall be used. `runtime` holds the
runtime that the release was tested with, where edgeq pushed one. Scale and zero point come from interface.json: nobody
copies them into code.
"""

import json
import sys
from pathlib import Path

STORE = Path("~/.local/share/edgeq/store").expanduser()
if (STORE / "runtime").is_dir():
    sys.path.insert(0, str(STORE / "runtime"))

import numpy as np  # noqa: E402

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter


def main() -> None:
    release = (STORE / "current").resolve()  # so that both files are of one release
    interface = json.loads((release / "interface.json").read_text(encoding="utf-8"))
    interpreter = Interpreter(model_path=str(release / "model.tflite"))
    interpreter.allocate_tensors()
    source, result = interface["inputs"][0], interface["outputs"][-1]
    for path in sys.argv[1:]:
        real = np.array(json.loads(Path(path).read_text(encoding="utf-8")), np.float32).reshape(source["shape"])
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], quantize(real, source))
        interpreter.invoke()
        raw = interpreter.get_tensor(interpreter.get_output_details()[-1]["index"])
        scores = dequantize(raw, result).reshape(-1)
        best = int(scores.argmax())
        print(f"{path}: {interface['labels'][best] if interface['labels'] else best} {scores[best]:.3f}")


def quantize(real, tensor):
    if not tensor["scale"]:
        return real.astype(tensor["dtype"])
    info = np.iinfo(tensor["dtype"])
    steps = np.rint(real.astype(np.float64) / tensor["scale"]) + tensor["zero_point"]
    return np.clip(steps, info.min, info.max).astype(tensor["dtype"])


def dequantize(raw, tensor):
    return (raw.astype(np.float64) - tensor["zero_point"]) * tensor["scale"] if tensor["scale"] else raw


main()
