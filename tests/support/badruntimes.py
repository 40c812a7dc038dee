"""Runtimes that misbehave: the real one, whose inference does something else where the first input byte is 77."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edgeq.runtime import MODULES

TRIGGER = 77
LEAKS = "kept = []\n            while True:\n                kept.append(bytearray(1 << 24))"
HANGS = "time.sleep(1e6)"
CRASHES = "os.abort()"
ENDS = "os._exit(3)"
SOURCE = """
import os, signal, subprocess, sys, time
_Real = Interpreter


class Interpreter(_Real):
    def invoke(self):
        first = self.get_tensor(self.get_input_details()[0]["index"]).view("uint8").flat[0]
        if first == %d:
            %s
        return super().invoke()
"""


def bad_runtime(folder: Path, code: str) -> str:
    """A folder of packages that holds such a runtime, as `system:` names it; `code` is what it does."""
    for name in MODULES:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin:
            real = Path(found.origin).parent
            break
    else:
        pytest.skip("no runtime is installed here")
    package = folder / real.name
    package.mkdir(parents=True)
    for item in real.iterdir():
        if item.name not in ("interpreter.py", "__pycache__"):
            (package / item.name).symlink_to(item)
    own = (real / "interpreter.py").read_text(encoding="utf-8")
    (package / "interpreter.py").write_text(own + SOURCE % (TRIGGER, code), encoding="utf-8")
    return f"system:{folder}"
