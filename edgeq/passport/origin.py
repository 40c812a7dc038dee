"""Where the inputs of a build lie, told without the machine: names relative to the project, and digests of content."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq.dataset.usercode import PATTERN
from edgeq.errors import UsageError
from edgeq.finding import Finding
from edgeq.target import TargetProfile

PART = 1 << 20
Given = str | Path | None
_UNTOLD = ("path", "source", "title", "aliases")
"""What a profile says about itself, and not about the hardware."""


@dataclass(frozen=True)
class Specs:
    """How the inputs of a build are named in its passport; None where there was none."""

    model: str
    data: str | None = None
    eval: str | None = None
    labels: str | None = None
    recipe: str | None = None


def specs_of(root: Path, model: Path, data: Given, eval_data: Given, labels: object, recipe: Given = None) -> Specs:
    """Names as seen from `root`, the project's folder; of what lies outside of it only the last part."""
    listed = labels if isinstance(labels, Path) else None
    named = (None if given is None else spec_of(root, given) for given in (data, eval_data, listed, recipe))
    return Specs(spec_of(root, model), *named)


def spec_of(root: Path, given: str | Path) -> str:
    """A file as seen from `root`, with `/` between folders; `module:function` as it is."""
    text = str(given)
    if PATTERN.fullmatch(text) and not Path(text).exists():
        return text
    path = _absolute(text)
    try:
        return path.relative_to(_absolute(root)).as_posix()
    except ValueError:
        return path.name


def _absolute(path: str | Path) -> Path:
    """Without `..`; links stay as they are, since a project may hold links to where its data lies."""
    return Path(os.path.normpath(Path(path).absolute()))


def untold(findings: Sequence[Finding], pairs: Sequence[tuple[Given | object, str | None]]) -> list[Finding]:
    """`findings` whose messages name inputs as the passport does; `pairs` are what was given, and its spec."""
    known = [(f"'{text}", f"'{spec}") for given, spec in pairs if spec for text in _writings(given)]
    return [_replaced(finding, known) for finding in findings]


def _writings(given: object) -> list[str]:
    """How a path may stand in a sentence, the longest first."""
    return sorted({str(given), str(_absolute(str(given)))}, key=len, reverse=True) if given else []


def _replaced(finding: Finding, known: Sequence[tuple[str, str]]) -> Finding:
    message, hint = finding.message, finding.hint
    for was, now in known:
        message, hint = message.replace(was, now), hint.replace(was, now)
    return replace(finding, message=message, hint=hint)


def model_sha256(path: Path) -> str:
    """Of a file that of its bytes; of a folder that of the names and digests of all its files."""
    if not path.is_dir():
        return _file_sha256(path)
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    text = "".join(f"{name}\0{_file_sha256(file)}\n" for name, file in files)
    return hashlib.sha256(text.encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(PART):
                digest.update(part)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}.", "Check its path and rights.") from error
    return digest.hexdigest()


def target_sha256(target: TargetProfile) -> str:
    """The digest of what a profile says of the hardware; where it lies and its sources do not count."""
    return json_sha256(_plain(target))


def labels_sha256(labels: Sequence[str]) -> str:
    """The digest of names of classes in their order."""
    return json_sha256(list(labels))


def columns_sha256(columns: Mapping[str, Sequence[str]]) -> str | None:
    """The digest of texts beside samples, by the names of their columns; None where there are none."""
    return json_sha256({name: list(texts) for name, texts in columns.items()}) if columns else None


def json_sha256(document: Any) -> str:
    """The digest of a document: keys sorted, no spaces, ASCII."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__ if name not in _UNTOLD}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
