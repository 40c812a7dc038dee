"""Tables, results and errors as a person and as a program read them."""

from __future__ import annotations

import io
import json
import sys

import pytest

from edgeq.errors import FitError, LinkError
from edgeq.finding import Finding
from edgeq.host.console import Console, table


def test_numbers_are_set_right_and_texts_left() -> None:
    lines = table(("n", "name"), [(1, "a"), (10, "longer")]).splitlines()
    assert lines == [" n  name", "--  ------", " 1  a", "10  longer"]


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(as_json=True)
    console.progress("working")
    console.table([{"n": 1}], ("n",), [(1,)], "none")
    out, err = capsys.readouterr()
    assert json.loads(out) == [{"n": 1}]
    assert err == "  working\n"


def test_a_code_page_gets_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="cp1252", newline=""))
    Console().result({}, "── ± ✓")
    assert out.getvalue() == "-- ± ?\n".encode("cp1252")


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    Console(quiet=True).progress("working")
    assert capsys.readouterr() == ("", "")


def test_an_error_is_a_sentence_a_hint_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert Console().error(LinkError("The cable is out.", "Put it in.")) == 4
    assert capsys.readouterr() == ("", "error: The cable is out.\nhint: Put it in.\n")


def test_an_error_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding("ram", "error", "too large", "", 2, 1)
    assert Console(as_json=True).error(FitError("It does not fit.", "Shrink it.", [finding])) == 3
    told = json.loads(capsys.readouterr().out)["error"]
    assert (told["message"], told["exit_code"], told["findings"][0]["code"]) == ("It does not fit.", 3, "ram")
