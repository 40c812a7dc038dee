"""The user's own code: found as `module:function`, run where its neighbours are importable, its errors told."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.errors import UsageError

_EDGEQ = Path(__file__).resolve().parents[1]
PATTERN = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Code:
    """Where the user's code is, and what it is called in errors."""

    spec: str
    folder: Path

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its folder is importable, and what it raises becomes a `UsageError` with file and line."""
        sys.path.insert(0, str(self.folder))
        try:
            yield
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"'{self.spec}' raised {type(error).__name__}{': ' if reason else ''}{reason}{self._place(error)}.",
                "Mend the function; edgeq calls it without arguments.",
            ) from error
        finally:
            if str(self.folder) in sys.path:
                sys.path.remove(str(self.folder))

    def _place(self, error: BaseException) -> str:
        """The deepest line of the user's own files, else of any but edgeq's, in parentheses."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(self.folder)]
        if isinstance(error, SyntaxError) and error.filename:
            return f" ({error.filename}, line {error.lineno})"
        last = (own or list(frames))[-1]
        if not own and Path(last.filename).is_relative_to(_EDGEQ):
            return ""
        return f" ({last.filename}, line {last.lineno})"


def find(code: Code) -> Any:
    """What the name stands for; `UsageError` where the module or the name is not there."""
    module_name, name = code.spec.split(":")
    with code.running():
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not (module_name + ".").startswith(error.name + "."):
                raise
            raise UsageError(
                f"There is no module '{module_name}' in '{code.folder}'.",
                f"Write {module_name.split('.')[0]}.py there.",
            ) from error
    own = code.folder.joinpath(*module_name.split("."))
    file = getattr(module, "__file__", None)
    if own.with_suffix(".py").is_file() and file and not Path(file).resolve().is_relative_to(code.folder):
        raise UsageError(
            f"'{own.with_suffix('.py')}' is hidden by the module '{module_name}' of {file}.", "Give it another name."
        )
    if not hasattr(module, name):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")]
        raise UsageError(
            f"The module '{module_name}' has no '{name}'.", f"Its functions: {', '.join(known[:12]) or 'none'}."
        )
    return getattr(module, name)
