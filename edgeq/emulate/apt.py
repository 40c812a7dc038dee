"""Packages of another architecture without root: apt with a configuration of its own, on top of the host's.

Proxy, certificates, credentials and keyrings are the host's; lists, cache and package status are private, so the
host's apt is neither used nor changed. Signatures and hashes are checked by apt as always.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.emulate.sources import deb822_sources, one_line_sources
from edgeq.errors import UsageError

UPDATE_TIMEOUT_S = 300.0
FETCH_TIMEOUT_S = 900.0
ESSENTIAL = "base-files"
"""A package that every distribution has."""


@dataclass(frozen=True)
class AptSources:
    """Entries in one-line format and in deb822 format, of an archive that has the ports."""

    one_line: str
    deb822: str

    @property
    def text(self) -> str:
        return self.one_line + "\n" + self.deb822


def host_sources(etc: Path = Path("/etc")) -> AptSources:
    """The host's distribution sources for arm64 and armhf, or the file `EDGEQ_APT_SOURCES`, taken as it is."""
    if override := os.environ.get("EDGEQ_APT_SOURCES"):
        return _override(Path(override))
    codename = _os_release(etc / "os-release").get("VERSION_CODENAME", "")
    one_line = [etc / "apt" / "sources.list", *sorted((etc / "apt" / "sources.list.d").glob("*.list"))]
    found = AptSources(
        "".join(one_line_sources(_read(path), codename) for path in one_line),
        "\n".join(
            deb822_sources(_read(path), codename) for path in sorted((etc / "apt" / "sources.list.d").glob("*.sources"))
        ),
    )
    if not found.text.strip():
        raise UsageError(
            f"The apt sources in {etc / 'apt'} have no entry of this distribution ('{codename or 'unknown'}', "
            "component main), and the emulated Pi is made of its packages for Arm.",
            "Set EDGEQ_APT_SOURCES to a sources.list file of Debian or Ubuntu for Arm.",
        )
    return found


def _override(path: Path) -> AptSources:
    if not path.is_file():
        raise UsageError(
            f"EDGEQ_APT_SOURCES says '{path}', and there is no such file.",
            "Point it at a sources.list or .sources file.",
        )
    text = _read(path)
    return AptSources("", text) if path.suffix == ".sources" else AptSources(text, "")


class PrivateApt:
    """apt for one architecture in `folder`; the constructor fetches the package lists. `incomplete` says which of them
    could not be had, and is empty as a rule."""

    def __init__(self, folder: Path, sources: AptSources, arch: str) -> None:
        if not shutil.which("apt-get"):
            raise UsageError(
                "There is no apt-get here; the emulated Pi is made of Debian packages.", "Use Debian or Ubuntu."
            )
        self.archives = folder / "archives"
        self._arch = arch
        self._config = folder / "apt.conf"
        for name in ("lists/partial", "archives/partial", "parts", "none"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(sources.one_line, encoding="utf-8")
        (folder / "parts" / "host.sources").write_text(sources.deb822, encoding="utf-8")
        self._config.write_text(_configuration(folder, arch), encoding="utf-8")
        self.incomplete = self._update()

    def _update(self) -> str:
        """Fetch the lists. Those of one pocket (-updates, -security) may fail while a mirror is renewed: apt goes on
        without them, and so do we. The answer is what failed; `UsageError` where nothing can be had."""
        failure = f"The lists of {self._arch} packages could not be fetched"
        try:
            self._run(["apt-get", "update"], UPDATE_TIMEOUT_S, failure)
        except UsageError as error:
            if ESSENTIAL not in self.known():
                raise
            return error.message
        return ""

    def known(self) -> set[str]:
        """Names of all packages that can be had."""
        failure = f"The lists of {self._arch} packages could not be read"
        return set(self._run(["apt-cache", "pkgnames"], 60, failure).split())

    def fetch(self, packages: Sequence[str]) -> list[Path]:
        """Download `packages` with all they need; the files of the whole closure."""
        before = set(self.archives.glob("*.deb"))
        command = ["apt-get", "install", "--download-only", "--yes", "--no-install-recommends", *packages]
        self._run(command, FETCH_TIMEOUT_S, f"The {self._arch} packages could not be fetched")
        return sorted(set(self.archives.glob("*.deb")) - before)

    def _run(self, command: list[str], timeout_s: float, failure: str) -> str:
        full = [command[0], "--config-file", str(self._config), *command[1:]]
        try:
            done = subprocess.run(
                full, capture_output=True, text=True, timeout=timeout_s, env={**os.environ, "LC_ALL": "C"}
            )
        except subprocess.TimeoutExpired as error:
            raise UsageError(f"{failure}: apt gave up after {timeout_s:.0f} s.", "Is the network there?") from error
        if done.returncode or "\nW: Failed to fetch" in "\n" + done.stderr:
            reasons = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W: Failed"))]
            raise UsageError(
                f"{failure}: {(reasons or [done.stderr.strip() or 'apt says nothing'])[0]}",
                "'apt-get update' by hand tells whether the network is there; EDGEQ_APT_SOURCES=FILE names other "
                "sources (a sources.list of a Debian or Ubuntu archive with packages for Arm).",
            )
        return done.stdout


def _configuration(folder: Path, arch: str) -> str:
    """Read after the host's configuration, so its hooks are cleared and its proxy settings stay."""
    quoted = str(folder)
    if '"' in quoted or "\n" in quoted:
        raise UsageError(
            f"The folder {quoted!r} has a quote or a line break in its name.", "Set EDGEQ_HOME to another folder."
        )
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    more_hooks = ("DPkg::Pre-Invoke", "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs", "APT::Architectures")
    return "".join(f"#clear {name};\n" for name in (*hooks, *more_hooks)) + "".join(
        f'{name} "{value}";\n'
        for name, value in (
            ("Dir::State", folder),
            ("Dir::State::lists", folder / "lists"),
            ("Dir::State::status", folder / "status"),
            ("Dir::State::extended_states", folder / "extended_states"),
            ("Dir::Cache", folder),
            ("Dir::Cache::archives", folder / "archives"),
            ("Dir::Log", folder),
            ("Dir::Etc::sourcelist", folder / "sources.list"),
            ("Dir::Etc::sourceparts", folder / "parts"),
            ("Dir::Etc::preferences", folder / "none" / "preferences"),
            ("Dir::Etc::preferencesparts", folder / "none"),
            ("APT::Architecture", arch),
            ("APT::Architectures::", arch),
            ("APT::Get::List-Cleanup", "false"),
            ("APT::Sandbox::User", "root"),
            ("APT::Keep-Downloaded-Packages", "true"),
            ("Acquire::Languages", "none"),
            ("Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled", "false"),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"),
            ("Acquire::IndexTargets::deb::CNF::DefaultEnabled", "false"),
        )
    )


def _os_release(path: Path) -> dict[str, str]:
    lines = [line.partition("=") for line in _read(path).splitlines() if "=" in line and not line.startswith("#")]
    return {key.strip(): value.strip().strip("\"'") for key, _, value in lines}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
