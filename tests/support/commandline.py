"""The command line in the process of a test, as `edgeq` starts it."""

from __future__ import annotations

import sys

import pytest

from edgeq import cli


def edgeq(
    *arguments: object, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command; what was said before is none of it."""
    monkeypatch.setattr(sys, "argv", ["edgeq", *map(str, arguments)])
    capture.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capture.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0 if code is None else 1), out, err
