"""Every exception of paramiko has its row, and only one module imports the library."""

from __future__ import annotations

import ast
import inspect
import socket
from pathlib import Path

import pytest

import edgeq
from edgeq.errors import EdgeqError, LinkError, LinkTimeout, UsageError
from edgeq.link import ssh_paramiko
from edgeq.link.ssh_paramiko import TABLE, translate, translating

paramiko = pytest.importorskip("paramiko")

MADE = {
    "BadAuthenticationType": lambda cls: cls("no", ["publickey"]),
    "PartialAuthentication": lambda cls: cls(["password"]),
    "ChannelException": lambda cls: cls(1, "no"),
    "ProxyCommandFailure": lambda cls: cls("nc", "died"),
    "NoValidConnectionsError": lambda cls: cls({("10.0.0.1", 22): OSError("down")}),
    "BadHostKeyException": lambda cls: cls("host", paramiko.RSAKey.generate(2048), paramiko.RSAKey.generate(2048)),
}


def classes() -> list[type[BaseException]]:
    found = inspect.getmembers(paramiko.ssh_exception, inspect.isclass)
    return [cls for _, cls in found if issubclass(cls, BaseException)]


def test_the_walk_finds_them() -> None:
    assert len(classes()) >= 12


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_each_has_its_row(cls: type[BaseException]) -> None:
    assert cls.__name__ in TABLE
    error = MADE.get(cls.__name__, lambda cls: cls("said this"))(cls)
    translated = translate(error, "ssh://pi")
    kind, message, hint = TABLE[cls.__name__]
    assert type(translated) is kind and issubclass(kind, (LinkError, UsageError))
    assert "ssh://pi" in translated.message and translated.hint == hint and hint
    assert translated.message.endswith(".") and message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), LinkTimeout),
        (ConnectionRefusedError(111, "refused"), LinkError),
        (ConnectionResetError(104, "reset"), LinkError),
        (socket.gaierror(-2, "Name or service not known"), LinkError),
        (EOFError(), LinkError),
        (OSError(113, "No route to host"), LinkError),
        (ValueError("odd"), LinkError),
        (RuntimeError(), LinkError),
    ],
)
def test_what_is_not_paramikos(error: Exception, kind: type[EdgeqError]) -> None:
    with pytest.raises(kind) as caught, translating("ssh://pi"):
        raise error
    assert "ssh://pi" in caught.value.message and caught.value.__cause__ is error


def test_our_own_pass_unchanged() -> None:
    mine = UsageError("mine")
    with pytest.raises(UsageError) as caught, translating("ssh://pi"):
        raise mine
    assert caught.value is mine and translate(mine, "x") is mine


def test_one_module_imports_it_and_not_at_the_top() -> None:
    importers = set()
    for path in Path(edgeq.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(name.partition(".")[0] == "paramiko" for name in names):
                importers.add(path.name)
                assert node.col_offset > 0, f"{path}: imported when the module is"
    assert importers == {"ssh_paramiko.py"}


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "paramiko", None)
    with pytest.raises(UsageError) as caught:
        ssh_paramiko.library()
    assert "pip install" in caught.value.hint
