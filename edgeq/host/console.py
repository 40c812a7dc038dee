"""What a command shows: results on stdout, progress on stderr, errors as one sentence and a hint.

With `--json` stdout holds exactly one JSON document; with `--events` one JSON object a line, the last of which is
`{"result": ...}` or `{"error": ...}`. `-q` silences progress, `-v` adds the traceback to an error.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.errors import EdgeqError

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""
GO_ON = "Run the command again: it goes on where it can."
_LINES = threading.Lock()


@dataclass
class Console:
    """How this command talks; set from its options."""

    as_json: bool = False
    as_lines: bool = False
    quiet: bool = False
    verbose: bool = False

    def progress(self, text: str) -> None:
        """One line for a stage that has begun, on stderr."""
        if not self.quiet:
            print(f"  {text}", file=sys.stderr, flush=True)

    def result(self, document: Any, text: str) -> None:
        """The command's result: `document` with --json, else `text`."""
        if self.as_lines:
            self.line({"result": document})
        else:
            print(json.dumps(document, indent=1, default=str) if self.as_json else _sayable(text), flush=True)

    def line(self, document: Any) -> None:
        """One JSON object as one line, from whatever thread."""
        with _LINES:
            print(json.dumps(document, default=str), flush=True)

    def table(self, document: Any, head: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
        """A result that is a table; `empty` is said where it has no rows."""
        self.result(document, table(head, rows) if rows else empty)

    def error(self, error: EdgeqError) -> int:
        """Tell the error; the answer is the exit code."""
        if self.verbose:
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        body = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code, **error.facts}
        findings = [vars(finding) for finding in getattr(error, "findings", ())]
        self._wrong({**body, **({"findings": findings} if findings else {})})
        red, off = ("\x1b[31m", "\x1b[0m") if colour() else ("", "")
        print(f"{red}error:{off} {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code

    def interrupted(self, hint: str = GO_ON, facts: Mapping[str, Any] | None = None) -> int:
        """Say that Ctrl-C was heard; the answer is the exit code. `facts` are for programs."""
        message = "Interrupted."
        self._wrong({"message": message, "hint": hint, "exit_code": INTERRUPTED, **(facts or {})})
        print(f"\n{message} {hint}", file=sys.stderr)
        return INTERRUPTED

    def _wrong(self, body: dict[str, Any]) -> None:
        """The error on stdout, for programs."""
        if self.as_lines:
            self.line({"error": body})
        elif self.as_json:
            print(json.dumps({"error": body}, indent=1, default=str))


def _sayable(text: str) -> str:
    """The text with nothing that stdout's encoding lacks: a file or a pipe on Windows has a code page."""
    encoding, errors = sys.stdout.encoding or "utf-8", sys.stdout.errors or "strict"
    try:
        text.encode(encoding, errors)
    except UnicodeEncodeError:
        return text.replace("─", "-").encode(encoding, "replace").decode(encoding)
    return text


def colour() -> bool:
    """Whether stderr takes colour."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and not os.environ.get("EDGEQ_NO_COLOR")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Plain columns; numbers are set right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(head), *cells]) for column in range(len(head))]
    right = [all(isinstance(row[column], (int, float)) for row in rows) for column in range(len(head))]
    lines = [list(head), ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(_set(*field) for field in zip(line, widths, right, strict=True)).rstrip() for line in lines
    )


def _set(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)
