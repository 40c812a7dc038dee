"""The agent's programs for people and for services: what may be said, and what is printed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Callable, NoReturn

from edgeq.agent import apply as applying
from edgeq.agent import install as installing
from edgeq.agent.applied import document, tell
from edgeq.agent.errors import Refused
from edgeq.agent.files import refusal
from edgeq.agent.here import Gone
from edgeq.agent.itself import Itself, gone, no
from edgeq.agent.overview import status_lines
from edgeq.errors import EdgeqError, UsageError
from edgeq.transaction.steps import unheard

INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", self.format_usage().strip())


def main(command: str, given: list[str], root: Path) -> int:
    """Run the program; `root` is the store where none is named. The exit code is the command line's."""
    as_json = "--json" in given
    try:
        return PROGRAMS[command](given, root)
    except EdgeqError as error:
        return _failed(error, as_json)
    except Refused as refused:
        return _failed(no(refused), as_json)
    except Gone as ended:
        return _failed(gone(ended), as_json)
    except OSError as failed:
        return _failed(no(refusal(failed)), as_json)
    except KeyboardInterrupt as stop:
        end = EdgeqError("Interrupted.", getattr(stop, "hint", "Run it again: it goes on where it can."))
        end.exit_code, end.facts = INTERRUPTED, getattr(stop, "facts", {})
        return _failed(end, as_json)


def _failed(error: EdgeqError, as_json: bool) -> int:
    message = f"{error.message[:1].upper()}{error.message[1:]}"  # It may begin with "this device".
    if as_json:
        _print({"error": {"message": message, "hint": error.hint, "exit_code": error.exit_code, **error.facts}})
    print(f"error: {message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    return error.exit_code


def _print(item: Any) -> None:
    print(json.dumps(item, indent=1, default=str), flush=True)


def _say(as_json: bool, item: Any, text: str) -> None:
    _print(item) if as_json else print(text, flush=True)


def _parser(name: str, purpose: str, root: Path) -> _Parser:
    parser = _Parser(prog=f"edgeq-agent {name}", description=purpose)
    parser.add_argument("root", metavar="ROOT", nargs="?", type=_absolute, default=root, help="the store's folder")
    parser.add_argument("--json", dest="as_json", action="store_true", help="one JSON document on stdout")
    return parser


def _absolute(said: str) -> Path:
    return Path(os.path.abspath(said))  # noqa: PTH100  (the store may be a link: it stays one)


def _progress(quiet: bool) -> Callable[[str], None]:
    return lambda text: None if quiet else print(f"  {text}", file=sys.stderr, flush=True)


def _apply(given: list[str], root: Path) -> int:
    parser = _Parser(prog="edgeq-agent apply", description="Let the bundle in a file serve on this device.")
    parser.add_argument("file", metavar="FILE.eqb", type=Path)
    parser.add_argument("root", metavar="ROOT", nargs="?", type=_absolute, default=root)
    parser.add_argument("--json", dest="as_json", action="store_true")
    parser.add_argument("--events", action="store_true", help="one JSON object a line, as it happens")
    parser.add_argument("--quiet", "-q", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--no-wait", action="store_true")
    parser.add_argument("--allow-interface-change", action="store_true")
    said = parser.parse_args(given)
    if not 0 <= said.wait < 1e9:
        parser.error("--wait is not a number of seconds")
    how = applying.How(said.allow_interface_change, said.wait, not said.no_wait)
    root, progress = said.root, _progress(said.quiet)

    def event(item: Any) -> None:
        print(json.dumps({"device": str(root), **item.to_json()}, default=str), flush=True)

    with applying.opened(said.file) as eqb:
        if said.dry_run:
            planned = applying.plan(eqb, root, how, progress)
            _say(said.as_json, planned, "\n".join(_plan_lines(planned)))
            return 0
        done = applying.apply(eqb, root, how, progress, event if said.events else unheard)
        found = document(done, eqb.name, root)
    if said.events:
        print(json.dumps({"result": found}, default=str), flush=True)
    else:
        _say(said.as_json, found, "\n".join(tell(done, eqb.name)))
    return 0


def _plan_lines(planned: dict[str, Any]) -> list[str]:
    from edgeq.units import format_bytes

    before = planned["returns_to"]
    title = f"{planned['name']} ({planned['digest'][:12]}): nothing was changed."
    if planned["unchanged"]:
        but = " but its signatures" if planned["signed"] else ""
        return [title, f"It serves here already; applying it would test it and leave all{but} as it is."]
    returns = f"release {before['n']} ({before['name']}, {before['digest'][:12]})" if before else ""
    sizes = (format_bytes(planned[key]) for key in ("send_bytes", "need_bytes", "free_bytes"))
    return [
        title,
        f"  serves now  {returns + ', to which any failure returns' if before else 'nothing'}",
        "  to take     {}; it needs {}, {} are free".format(*sizes),
        *(f"  interface   {change}" for change in planned["interface_changes"]),
        *(f"  {name + ':':11} {text}" for name, _, text in (check.partition(": ") for check in planned["checks"])),
        *(f"  {file['name']}  {format_bytes(file['send_bytes'])}" for file in planned["files"]),
    ]


def _rollback(given: list[str], root: Path) -> int:
    parser = _parser("rollback", "Let the previous release serve again.", root)
    parser.add_argument("--from", dest="only", type=int, metavar="N", help="only where release N serves")
    said = parser.parse_args(given)
    with Itself(said.root) as device:
        before = device.installed().serving
        number = before.n if before else None
        if said.only is not None and number != said.only:
            now = f"release {number} serves" if before else "nothing serves"
            _say(said.as_json, {"n": number, "changed": False}, f"Nothing was changed: {now}, not release {said.only}.")
            return 0
        n = device.rollback(_progress(said.as_json))
    _say(said.as_json, {"n": n, "before": number, "changed": True}, f"Release {n} serves again.")
    return 0


def _status(given: list[str], root: Path) -> int:
    said = _parser("status", "What is installed, and what serves.", root).parse_args(given)
    found = installing.status(said.root)
    _say(said.as_json, found, "\n".join(status_lines(found)))
    return 0


def _install(given: list[str], root: Path) -> int:
    parser = _parser("install", "Let this agent serve for good, as a service of its user.", root)
    parser.add_argument("--supervised", action="store_true", help="without systemd, also where there is one")
    said = parser.parse_args(given)
    found = installing.install(said.root, said.supervised)
    _say(said.as_json, found, "\n".join(status_lines(found)))
    return 0


def _uninstall(given: list[str], root: Path) -> int:
    said = _parser("uninstall", "End the service; the store and its releases stay.", root).parse_args(given)
    found = installing.uninstall(said.root)
    text = "The service is gone; the store stays." if found["was"] else "There was no service."
    _say(said.as_json, found, text)
    return 0


def _update(given: list[str], root: Path) -> int:
    said = _parser("update", "Put this agent on trial in place of the installed one.", root).parse_args(given)
    found = installing.update(said.root)
    changed = "" if found["changed"] else "This very agent is at work already; nothing was changed.\n"
    _say(said.as_json, found, changed + "\n".join(status_lines(found)))
    return 0


def _supervise(given: list[str], root: Path) -> int:
    from edgeq.agent.supervise import supervise

    return supervise(_parser("supervise", "Keep an installed agent at work.", root).parse_args(given).root)


PROGRAMS: dict[str, Callable[[list[str], Path], int]] = {
    "apply": _apply,
    "rollback": _rollback,
    "status": _status,
    "install": _install,
    "uninstall": _uninstall,
    "update": _update,
    "supervise": _supervise,
}
