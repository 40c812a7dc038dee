"""Starts a worker: `python -m edgeq.quantize.launch MODULE FOLDER`, which runs `MODULE FOLDER FD`.

FD is what was the standard output, for stages alone; whatever TensorFlow prints goes to the standard error.
"""

from __future__ import annotations

import os
import runpy
import sys


def main() -> None:
    """Run the module that was asked for, as `python -m` would."""
    module, folder = sys.argv[1:]
    status = os.dup(1)
    os.dup2(2, 1)
    sys.argv = [module, folder, str(status)]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
