"""From an address and `~/.ssh/config` to everything a connection needs to know.

Honoured: Host, Match, Include, HostName, Port, User, IdentityFile, IdentitiesOnly, ProxyJump, ProxyCommand,
UserKnownHostsFile and HostKeyAlias. What the address says goes before what the file says.
"""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import UsageError
from edgeq.link import known_hosts as hosts
from edgeq.link import ssh_paramiko
from edgeq.link.ssh_address import DEFAULT_PORT, Address, parse_destination, parse_ssh

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
MAX_INCLUDES = 16
MAX_FILE_BYTES = 1 << 20
BLOCK = re.compile(r"\s*(?:host|match)(?:\s|=)", re.IGNORECASE)
INCLUDE = re.compile(r"\s*include(?:\s*=\s*|\s+)(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class SshTarget:
    """One resolved host. `shown` is the address for messages; `key_name` is what known_hosts files call the host.

    `identities` are key files in the order of trying; with `identities_only` the agent offers only keys of those files.
    `proxy_command` is shell text from the user's own configuration; `proxy_jump` names the hosts between.
    """

    shown: str
    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    identities_only: bool
    known_hosts: tuple[Path, ...]
    key_name: str
    proxy_command: str
    proxy_jump: tuple[Address, ...]


def config_file() -> Path:
    """Where OpenSSH looks."""
    return Path.home() / ".ssh" / "config"


def resolve(
    address: str,
    *,
    identity: Path | None = None,
    known_hosts: Path | None = None,
    config: Path | None = None,
) -> SshTarget:
    """What `address` means here.

    `identity` is tried alone; `known_hosts` is consulted alone, as an emulator needs whose port served another machine
    yesterday; `config` stands in for `~/.ssh/config`. `UsageError` names what cannot be understood.
    """
    written = parse_ssh(address)
    options = ssh_paramiko.lookup(_prelude(written) + read_config(config or config_file()), written.host)
    port, user = written.port or _port(options), written.user or _one(options, "user") or getpass.getuser()
    alias = _one(options, "hostkeyalias")
    host = _one(options, "hostname") or written.host
    return SshTarget(
        shown=str(written),
        host=host,
        port=port,
        user=user,
        identities=(_existing(identity),) if identity else _identities(options),
        identities_only=bool(identity) or _one(options, "identitiesonly").lower() == "yes",
        known_hosts=(known_hosts,) if known_hosts else _known_hosts(options),
        key_name=alias.lower() if alias else hosts.host_name(host, port),
        proxy_command=_one(options, "proxycommand"),
        proxy_jump=_jumps(_one(options, "proxyjump"), host),
    )


def _prelude(written: Address) -> str:
    # The first value obtained wins, so these lines go before the file's, also where it expands %p and %r.
    return (f"User {written.user}\n" if written.user else "") + (f"Port {written.port}\n" if written.port else "")


def read_config(path: Path, depth: int = 0) -> str:
    """The text of a configuration file with its Include lines resolved; empty where there is no file."""
    if depth > MAX_INCLUDES:
        raise UsageError(
            f"{path}: Include goes more than {MAX_INCLUDES} files deep.", "Do two files include each other?"
        )
    try:
        with path.open("rb") as stream:
            lines = stream.read(MAX_FILE_BYTES).decode("utf-8", "surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.", "It configures SSH.") from error
    block, out = "Host *", []
    for line in lines:
        include = INCLUDE.fullmatch(line)
        if BLOCK.match(line):
            block = line
        # After the included blocks the file's own block goes on.
        out += [read_config(item, depth + 1) + block for item in _included(include[1])] if include else [line]
    return "\n".join(out) + "\n"


def _included(patterns: str) -> list[Path]:
    """Relative names start at `~/.ssh`, and '*' and '?' work, as ssh_config(5) says."""
    found: list[Path] = []
    for pattern in _words(patterns):
        path = Path.home() / ".ssh" / Path(pattern).expanduser()
        found += sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    return [path for path in found if path.is_file()]


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"The SSH configuration holds {text!r}, which cannot be split into words.", str(error)
        ) from error


def _one(options: Mapping[str, str | list[str]], key: str) -> str:
    """The value of an option, or empty; `none` switches one off."""
    value = options.get(key, "")
    text = value if isinstance(value, str) else value[0]
    return "" if text.lower() == "none" else text


def _port(options: Mapping[str, str | list[str]]) -> int:
    text = _one(options, "port") or str(DEFAULT_PORT)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise UsageError(f"The SSH configuration says 'Port {text}'.", "A port is a whole number from 1 to 65535.")
    return int(text)


def _existing(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_file():
        raise UsageError(f"There is no key file {path}.", "Name an existing private key, or leave the identity away.")
    return path


def _identities(options: Mapping[str, str | list[str]]) -> tuple[Path, ...]:
    named = options.get("identityfile", [])
    names = [named] if isinstance(named, str) else named
    if not names:
        return tuple(path for name in DEFAULT_KEYS if (path := Path.home() / ".ssh" / name).is_file())
    return tuple(Path(name).expanduser() for name in names if name.lower() != "none")


def _known_hosts(options: Mapping[str, str | list[str]]) -> tuple[Path, ...]:
    named = options.get("userknownhostsfile", "")
    words = _words(named if isinstance(named, str) else " ".join(named))
    user = tuple(Path(word.replace("%d", str(Path.home()))).expanduser() for word in words if word.lower() != "none")
    return (*(user if words else hosts.user_files()), hosts.own_file(), *hosts.system_files())


def _jumps(text: str, host: str) -> tuple[Address, ...]:
    """`ProxyJump [user@]host[:port],...`; under 'Host *' the jump host would name itself, which means a direct way."""
    jumps = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        jumps.append(parse_ssh(word) if word.lower().startswith("ssh://") else parse_destination(word))
    return () if any(jump.host == host for jump in jumps) else tuple(jumps)
