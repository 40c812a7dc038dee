"""Put a comparison on a pull request: `comment.py FILE`; a comment that begins with the same mark is replaced.

For the steps of action.yml: GITHUB_API_URL, GITHUB_REPOSITORY, PULL_REQUEST and TOKEN say where and as whom. A token
that may not write (a pull request from a fork), or a server that does not answer, is told as a warning: the gate
decides, the comment does not.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

PER_PAGE = 100
TIMEOUT_S = 30


def main() -> int:
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    mark = text.splitlines()[0]
    comments = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/{int(os.environ['PULL_REQUEST'])}/comments"
    try:
        earlier = find(comments, mark)
        if earlier is None:
            ask("POST", comments, {"body": text})
        else:
            ask("PATCH", f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/comments/{earlier}", {"body": text})
    except (OSError, ValueError, HTTPException) as error:
        print(f"::warning::The comparison could not be put on the pull request: {error}. The step's summary has it.")
    return 0


def find(comments: str, mark: str) -> int | None:
    """The number of the comment that begins with `mark`."""
    page = 1
    while True:
        found = ask("GET", f"{comments}?per_page={PER_PAGE}&page={page}")
        for comment in found:
            if str(comment.get("body", "")).startswith(mark):
                return int(comment["id"])
        if len(found) < PER_PAGE:
            return None
        page += 1


def ask(method: str, path: str, body: Any = None) -> Any:
    """One request to the API, and its answer."""
    url = os.environ["GITHUB_API_URL"] + path
    if not url.startswith(("https://", "http://")):
        raise SystemExit(f"GITHUB_API_URL is no address: {url}")
    headers = {
        "Authorization": f"Bearer {os.environ['TOKEN']}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "Content-Type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
