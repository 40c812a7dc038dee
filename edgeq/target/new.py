"""A profile of one's own, begun as a copy."""

from __future__ import annotations

import json
import re
from pathlib import Path

from edgeq.errors import TargetError
from edgeq.target.find import load_target
from edgeq.target.read import read_target


def new_target(name: str, like: str, folder: Path = Path("targets")) -> Path:
    """Copy the profile `like` as `folder/name.toml`, which claims nothing but that somebody wrote it down.

    `TargetError` where the name is taken or cannot be a file's, or `like` is unknown; nothing is written then.
    """
    model, path = load_target(like), folder / f"{name}.toml"
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise TargetError(f"'{name}' cannot name a target.", "Use a-z, 0-9, '.', '_' and '-', as in 'my-board'.")
    taken = _taken(name) or (path if path.exists() else None)
    if taken:
        raise TargetError(f"There is a target '{name}' already: {taken}.", "Choose another name, or edit that file.")
    note = f"# Copied from {model.name}. Its figures are of that target until they are checked, each with its source.\n"
    text = note + _renamed(model.path.read_text(encoding="utf-8"), name, f"{name} (a copy of {model.name})")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TargetError(
            f"'{path}' cannot be written: {error.strerror or error}.", "Give another folder with --output-dir."
        ) from error
    try:
        read_target(path)
    except TargetError:
        path.unlink()
        raise
    return path


def _taken(name: str) -> Path | None:
    try:
        return load_target(name).path
    except TargetError:
        return None


def _renamed(text: str, name: str, title: str) -> str:
    """`text` with the keys that say which target it is replaced; they stand before the first table."""
    start = re.search(r"^\s*\[", text, re.MULTILINE)
    end = start.start() if start else len(text)
    head = text[:end]
    said = {"name": json.dumps(name), "title": json.dumps(title), "aliases": "[]", "evidence": '"documented"'}
    for key, value in said.items():
        line = f"{key} = {value}".replace("\\", r"\\")
        head = re.sub(rf"^{key}\s*=\s*(\[[^\]]*\]|.*)", line, head, flags=re.MULTILINE)
    return head + text[end:]
