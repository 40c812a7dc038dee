"""The one module that imports paramiko, when first needed, and that translates its exceptions.

Every exception class that paramiko can raise becomes a `LinkError` (`UsageError` where the user's configuration or key
file is at fault); a test walks `paramiko.ssh_exception` and holds the table to it.
"""

from __future__ import annotations

import logging
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeq.errors import EdgeqError, LinkError, LinkTimeout, UsageError

if TYPE_CHECKING:
    from types import ModuleType

MISSING = "SSH needs the package paramiko, which is not installed."
CONFIG_HINT = "Correct ~/.ssh/config; 'ssh -G HOST' shows how OpenSSH reads it."
HOST_HINT = "Is it an SSH server, and is it reachable with 'ssh -v'?"
LOST_HINT = "Is the device still up? Run the same command again."

CIPHERS = ("aes128-ctr", "aes128-gcm@openssh.com", "aes192-ctr", "aes256-ctr", "aes256-gcm@openssh.com")
MACS = ("hmac-sha2-512-etm@openssh.com", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-256", "hmac-sha1")
"""Fastest first for the slower side, which is the device: without instructions for AES and GHASH (Raspberry Pi 4, or an
emulated one) AES-CTR with SHA-512 beats AES-GCM, and SHA-512 beats SHA-256 on 64 bits. CBC and MD5 are left out."""

AGENT_LIST_S = 5.0
AGENT_SIGN_S = 120.0
"""Signing may wait for a touch or a confirmation."""

KEY_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""A key type names its signature algorithm, except RSA."""


def library() -> ModuleType:
    """paramiko, or a `UsageError` that says how to get it."""
    try:
        import paramiko
    except ImportError as error:
        raise UsageError(MISSING, "pip install 'edgeq[ssh]'") from error
    # Without a handler Python prints the library's own error log to stderr; the exceptions say it all.
    log = logging.getLogger("paramiko")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    return paramiko


def translate(error: BaseException, shown: str) -> EdgeqError:
    """The edgeq error that stands for any exception of paramiko, a socket or a key file; `shown` is the address."""
    if isinstance(error, EdgeqError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    for name, (kind, message, hint) in TABLE.items():
        if name in names:
            said = " ".join(str(error).split())[:300] or type(error).__name__
            return kind(message.format(shown=shown, said=said), hint)
    said = " ".join(str(error).split())[:300] or type(error).__name__
    return LinkError(f"The SSH connection to {shown} failed: {said}.", LOST_HINT)


# Looked up by the names in an exception's ancestry, most special first, so that the table can be read without paramiko.
TABLE: dict[str, tuple[type[EdgeqError], str, str]] = {
    "PasswordRequiredException": (
        UsageError,
        "A private key for {shown} is protected by a passphrase.",
        "ssh-add the key.",
    ),
    "BadAuthenticationType": (LinkError, "{shown} does not accept this way of signing in: {said}.", "Use another key."),
    "PartialAuthentication": (LinkError, "{shown} asks for one more way of signing in: {said}.", "Use a key alone."),
    "UnableToAuthenticate": (LinkError, "{shown} accepted no way of signing in: {said}.", "Check user name and keys."),
    "AuthenticationException": (LinkError, "{shown} did not let us sign in: {said}.", "Check user name and keys."),
    "ChannelException": (LinkError, "{shown} refused to open a channel: {said}.", "Is its MaxSessions reached?"),
    "BadHostKeyException": (LinkError, "The host key of {shown} is not the expected one.", "Run 'edgeq trust' on it."),
    "IncompatiblePeer": (LinkError, "{shown} and edgeq share no SSH algorithm: {said}.", "Update the device's sshd."),
    "MessageOrderError": (LinkError, "{shown} broke the SSH key exchange: {said}.", "Somebody may be in between."),
    "ProxyCommandFailure": (LinkError, "The ProxyCommand for {shown} failed: {said}.", CONFIG_HINT),
    "ConfigParseError": (UsageError, "The SSH configuration for {shown} cannot be read: {said}.", CONFIG_HINT),
    "CouldNotCanonicalize": (UsageError, "The SSH configuration cannot canonicalize {shown}: {said}.", CONFIG_HINT),
    "NoValidConnectionsError": (LinkError, "{shown} could not be reached: {said}.", HOST_HINT),
    "SSHException": (LinkError, "The SSH connection to {shown} failed: {said}.", HOST_HINT),
    "SFTPError": (LinkError, "{shown} could not transfer a file: {said}.", LOST_HINT),
    "UnknownKeyType": (UsageError, "A key for {shown} has a type that edgeq does not know.", "Use an ed25519 key."),
    "InvalidHostKey": (UsageError, "A known_hosts file has a damaged line: {said}.", "Correct that line."),
    "gaierror": (LinkError, "The host of {shown} was not found: {said}.", "Check the name, or give an IP address."),
    "ConnectionRefusedError": (LinkError, "{shown} refused the connection.", "Is its SSH server running on that port?"),
    "TimeoutError": (LinkTimeout, "{shown} did not answer in time.", LOST_HINT),
    "PipeTimeout": (LinkTimeout, "{shown} did not answer in time.", LOST_HINT),
    "EOFError": (LinkError, "{shown} closed the connection.", LOST_HINT),
    "ConnectionError": (LinkError, "The connection to {shown} was lost: {said}.", LOST_HINT),
}


@contextmanager
def translating(shown: str) -> Iterator[None]:
    """Let nothing of paramiko's, a socket's or the cryptography package's leave the block untranslated."""
    try:
        yield
    except EdgeqError:
        raise
    except Exception as error:
        raise translate(error, shown) from error


def lookup(text: str, host: str) -> dict[str, str | list[str]]:
    """What an SSH configuration says of a host, keys in lower case, tokens expanded."""
    try:
        found = library().SSHConfig.from_text(text).lookup(host)
    except EdgeqError:
        raise
    except Exception as error:  # 'Match exec' runs a program, so anything may come
        raise UsageError(f"The SSH configuration cannot be read for {host!r}: {error}.", CONFIG_HINT) from error
    return {key: value for key, value in found.items() if value is not None}


def transport(wire: Any, known_types: list[str], timeout_s: float) -> Any:
    """A paramiko Transport over `wire`, not yet started: known host key types first, the fastest ciphers, deadlines."""
    made = library().Transport(wire, default_window_size=8 << 20, default_max_packet_size=1 << 15)
    made.banner_timeout = made.handshake_timeout = made.auth_timeout = made.clear_to_send_timeout = timeout_s
    made.channel_timeout = timeout_s
    options = made.get_security_options()
    options.ciphers = tuple(name for name in CIPHERS if name in options.ciphers) or options.ciphers
    preferred = [
        name for kind in known_types for name in KEY_ALGORITHMS.get(kind, (kind,)) if name in options.key_types
    ]
    options.key_types = tuple(dict.fromkeys([*preferred, *options.key_types]))
    return made


def agent(path: str) -> Any:
    """The key agent at a socket, or None; one that is absent, hangs or answers nonsense is passed over.

    paramiko's own constructor waits for ever and leaves its socket open when it fails. On Windows agents have no
    sockets, and none is asked.
    """
    if sys.platform == "win32":
        return None
    paramiko = library()
    made: Any = paramiko.Agent.__new__(paramiko.Agent)
    paramiko.agent.AgentSSH.__init__(made)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(AGENT_LIST_S)
        sock.connect(path)
        made._connect(sock)
        sock.settimeout(AGENT_SIGN_S)
    except (OSError, struct.error, paramiko.SSHException):
        sock.close()
        return None
    return made


def load_key(path: Path, passphrase: str | None) -> Any:
    """A private key, None where its passphrase is missing; `UsageError` where it is wrong or the file is no key."""
    try:
        return library().PKey.from_path(path, passphrase.encode() if passphrase else None)
    except EdgeqError:
        raise
    except Exception as error:
        if not passphrase and _wants_passphrase(error):
            return None
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(
            f"{path}: cannot be used as a private key: {said}.", "ssh-keygen -yf FILE checks a key."
        ) from error


def _wants_passphrase(error: Exception) -> bool:
    return isinstance(error, (library().PasswordRequiredException, TypeError)) or "password" in str(error).lower()
