"""What was tried already, so that a search that was stopped goes on where it was: one JSON line for each trial."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from edgeq.errors import UsageError
from edgeq.search.trial import Result


class Ledger:
    """The file of one search; `key` is the digest of what its trials work on, and names the file. Results without a
    folder are kept in memory only."""

    def __init__(self, folder: Path | None, key: str) -> None:
        self._path = folder / f"{key[:16]}.jsonl" if folder else None
        self._known: dict[str, Result] = {}
        if self._path and self._path.is_file():
            self._known = {result.recipe.sha256: result for result in _read(self._path)}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, sha256: str) -> Result | None:
        """The result of the recipe with this digest, if it was tried."""
        return self._known.get(sha256)

    def add(self, result: Result) -> None:
        """Remember one, on disk before anything else happens."""
        self._known[result.recipe.sha256] = result
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                # A line of its own, also behind one that was cut off.
                file.write(("\n" if file.tell() else "") + json.dumps(result.to_json(), sort_keys=True))
        except OSError as error:
            raise UsageError(
                f"The search cannot write '{self._path}': {error.strerror}.", "Free some space, or use another -o."
            ) from error


def _read(path: Path) -> Iterable[Result]:
    """A line that was cut off when the search was stopped is tried again."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield Result.from_json(json.loads(line))
        except (ValueError, TypeError, KeyError, UsageError):
            continue
