"""Commands of a policy: no shell, a deadline that nothing outlives, and a last line for the reason."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from edgeq.agent.commands import environment, run
from edgeq.agent.errors import Refused
from edgeq.protocol.status import Status


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def refusal(argv: list[str], timeout_s: float = 30.0) -> str:
    with pytest.raises(Refused) as no:
        run("health", argv, timeout_s, {})
    assert no.value.status == Status.GATE
    assert len(no.value.reason) <= 300
    return no.value.reason


def test_it_gets_its_arguments_as_they_are_and_the_release_in_its_environment(tmp_path: Path) -> None:
    code = "import os, sys; open(sys.argv[1], 'w').write(repr((sys.argv[2:], os.environ['EDGEQ_RELEASE'], "
    code += "os.environ['EDGEQ_N'], os.environ['EDGEQ_NAME'], os.environ['EDGEQ_PREVIOUS'])))"
    hostile = ["$(touch canary)", "; true", "a b", "'"]
    run("on_activate", [*python(code), str(tmp_path / "out"), *hostile], 30, environment(tmp_path, 7, "kws", None))
    assert (tmp_path / "out").read_text() == repr((hostile, str(tmp_path), "7", "kws", ""))
    assert environment(tmp_path, 7, "kws", 6)["EDGEQ_PREVIOUS"] == "6"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (python("import sys; print('first'); print('the app is down', file=sys.stderr); sys.exit(3)"), "exit code 3"),
        (python("import os; print('the app is down'); os.kill(os.getpid(), 9)"), "killed by SIGKILL"),
    ],
    ids=["exit code", "signal"],
)
def test_a_failure_is_told_with_its_last_line(argv: list[str], said: str) -> None:
    reason = refusal(argv)
    assert said in reason
    if "exit" in said:
        assert reason.endswith(": the app is down")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["/nowhere/at/all"], "/nowhere/at/all) does not start: No such file"),
        ([os.devnull], "does not start: Permission denied"),
    ],
)
def test_what_does_not_start_is_told(argv: list[str], said: str) -> None:
    assert said in refusal(argv)


def test_at_the_deadline_it_ends_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline comes when all that is to be ended is there."""
    alive = tmp_path / "alive"
    code = f"import time\nwhile True:\n open({str(alive)!r}, 'w').write('x'); time.sleep(0.02)"
    command = ["/bin/sh", "-c", 'echo waiting; "$0" -c "$1" & wait', sys.executable, code]
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: 2.0 if alive.exists() else 0.0)
        reason = refusal(command, 1.5)
    assert "did not end within 1.5 s and was killed: waiting" in reason
    time.sleep(0.3)
    alive.unlink(missing_ok=True)
    time.sleep(0.5)
    assert not alive.exists()


def test_what_it_leaves_running_lives_on_and_is_not_waited_for(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    code = f"import os, time\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.02)\n"
    code += f"print('hello', flush=True); open({str(tmp_path / 'done')!r}, 'w')"
    run("on_activate", ["/bin/sh", "-c", '"$0" -c "$1" &', sys.executable, code], 30, {})
    go_on.touch()
    deadline = time.monotonic() + 20
    while not (tmp_path / "done").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_flood_of_output_ends_it_and_does_not_fill_the_device() -> None:
    line = "x" * 4000
    assert "more than a megabyte" in refusal(python(f"import time\nwhile True: print('{line}'); time.sleep(1e-4)"))


def test_control_characters_do_not_reach_the_reason() -> None:
    assert refusal(python("print('a\\x1b[31mb\\x07'); raise SystemExit(1)")).endswith(": a [31mb ")
