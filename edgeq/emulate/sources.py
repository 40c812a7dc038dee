"""Where packages for Arm come from: the host's own apt sources, rewritten. Pure functions over text.

Debian keeps every architecture on one archive. Ubuntu keeps arm64 and armhf on its ports archive, whose address follows
from that of the main archive. No archive is named here; all come from the host's files or from `EDGEQ_APT_SOURCES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

POCKETS = ("", "-updates", "-security", "/updates")
ROLLING = ("stable", "oldstable", "testing", "unstable", "sid")

_UBUNTU_ARCHIVE = re.compile(r"^(?P<scheme>.*?//)(?:[\w.-]+\.)?(?:archive|security)\.(?P<domain>[\w.-]+)/ubuntu/?$")
_UBUNTU_MIRROR = re.compile(r"^(?P<base>.*//.+)/ubuntu/?$")
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.*)$")


def arm64_uri(uri: str) -> str:
    """The archive that holds arm64 beside `uri`: Ubuntu's ports archive for an Ubuntu archive, else `uri` itself."""
    if archive := _UBUNTU_ARCHIVE.match(uri):
        return f"{archive['scheme']}ports.{archive['domain']}/ubuntu-ports"
    if mirror := _UBUNTU_MIRROR.match(uri):
        return f"{mirror['base']}/ubuntu-ports"
    return uri


def is_distribution(suites: Iterable[str], components: Iterable[str], codename: str) -> bool:
    """True for an entry of the distribution itself (its own suite, component main), not of a third party."""
    known = {name + pocket for name in (codename, *ROLLING) for pocket in POCKETS}
    return "main" in components and any(suite in known for suite in suites)


def one_line_sources(text: str, codename: str) -> str:
    """A `sources.list` -> the same for arm64, component main only; entries of third parties are dropped."""
    lines = []
    for line in text.splitlines():
        entry = _ONE_LINE.match(line.partition("#")[0].strip())
        if not entry or not is_distribution([entry["suite"]], entry["components"].split(), codename):
            continue
        options = [option for option in (entry["options"] or "").split() if not option.lower().startswith("arch")]
        bracket = f" [{' '.join(options)}]" if options else ""
        lines.append(f"deb{bracket} {arm64_uri(entry['uri'])} {entry['suite']} main")
    return "".join(line + "\n" for line in lines)


def deb822_sources(text: str, codename: str) -> str:
    """A deb822 `.sources` file -> the same for arm64, component main only; `Signed-By` survives, embedded keys too."""
    kept = []
    for stanza in _stanzas(text):
        fields = {name.lower(): value for name, value in stanza.items()}
        if (
            fields.get("enabled", "yes").strip().lower() in ("no", "false", "0")
            or "deb" not in fields.get("types", "").split()
        ):
            continue
        if not is_distribution(fields.get("suites", "").split(), fields.get("components", "").split(), codename):
            continue
        fields |= {"types": "deb", "components": "main", "uris": " ".join(map(arm64_uri, fields["uris"].split()))}
        dropped = ("architectures", "enabled")
        kept.append("".join(f"{name.title()}: {value}\n" for name, value in fields.items() if name not in dropped))
    return "\n".join(kept)


def _stanzas(text: str) -> list[dict[str, str]]:
    """Fields of each paragraph; a continuation line keeps its line break and leading blank."""
    found: list[dict[str, str]] = [{}]
    last = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            found.append({})
        elif line[0] in " \t" and last in found[-1]:
            found[-1][last] += "\n" + line.rstrip()
        elif ":" in line:
            last, _, value = line.partition(":")
            found[-1][last] = value.strip()
    return [stanza for stanza in found if any(name.lower() == "uris" for name in stanza)]
