"""A comparison as JUnit XML, which CI servers show: one case for each figure, and one for each objection.

A regression is a `failure`, what was refused an `error`, what nobody can tell or has is `skipped`.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as Xml

from edgeq.compare import Comparison, Judged
from edgeq.render.compared.words import answer_text, change_text, footing, objection_text, printable, shown, value_text

_NAME = "edgeq compare"


def render(comparison: Comparison) -> str:
    """The comparison as one XML document; the same comparison gives the same bytes."""
    suite = Xml.Element("testsuite", {"name": _clean(f"{_NAME} {comparison.new.title}")})
    for judged in shown(comparison):
        _metric(suite, judged)
    for objection in comparison.objections:
        case = _case(suite, "objections", objection.code)
        told = objection_text(objection)
        if objection.refuses:
            _child(case, "error", told, {"message": objection.message, "type": objection.code})
        else:
            _child(case, "system-out", told)
    counts = {
        "tests": len(suite),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    numbers = {key: str(count) for key, count in counts.items()}
    suite.attrib.update({**numbers, "time": "0"})
    _child(suite, "system-out", f"{comparison.headline}\n{footing(comparison)}")
    root = Xml.Element("testsuites", {"name": _NAME, **numbers, "time": "0"})
    root.append(suite)
    Xml.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _metric(suite: Xml.Element, judged: Judged) -> None:
    case = _case(suite, "metrics", judged.name)
    change = f"{value_text(judged, judged.base)} -> {value_text(judged, judged.new)}, {change_text(judged)}"
    message = f"{judged.label}: {change}; allowed: {judged.allowed}; {answer_text(judged)}"
    if judged.status == "refused":
        _child(case, "error", message, {"message": message, "type": "refused"})
    elif judged.gate == "fail":
        _child(case, "failure", f"{message}\n{judged.note}".strip(), {"message": message, "type": judged.status})
    elif judged.status in ("unsure", "missing"):
        _child(case, "skipped", "", {"message": f"{answer_text(judged)}: {judged.note}"})
    else:
        _child(case, "system-out", message)


def _case(suite: Xml.Element, group: str, name: str) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", {"classname": f"edgeq.compare.{group}", "name": name, "time": "0"})


def _child(parent: Xml.Element, tag: str, text: str, more: Mapping[str, str] | None = None) -> None:
    child = Xml.SubElement(parent, tag, {key: _clean(value) for key, value in (more or {}).items()})
    child.text = _clean(text) or None


def _clean(text: str) -> str:
    """Only what XML 1.0 can hold; lines stay lines."""
    return "\n".join(map(printable, text.split("\n")))
