"""An application on a Linux device, the short way: the agent keeps the model, preprocesses, quantizes and runs it.

    python3 predict.py clip.wav            (a release with audio preprocessing)
    python3 predict.py values.json         (real values of the model's input, as nested lists)

Deploy another release while it runs, and its next prediction comes from that one.
"""

import json
import sys
from pathlib import Path

STORE = Path("~/.local/share/edgeq/store").expanduser()
sys.path.insert(0, str(STORE / "agent.pyz"))

from edgeq.client import Model  # noqa: E402


def main() -> None:
    with Model(store=STORE) as model:
        for path in sys.argv[1:]:
            data = path if path.endswith(".wav") else json.loads(Path(path).read_text(encoding="utf-8"))
            found = model.predict(data)
            print(f"{path}: {found.label or '(none)'} {found.score:.3f} (release {found.release})")


main()
