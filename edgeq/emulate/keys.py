"""SSH keys of the emulator: made by ssh-keygen, or by the package cryptography where that is all there is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from edgeq.errors import UsageError


def make_key(path: Path, comment: str) -> None:
    """An ed25519 key pair at `path` (mode 0600) and `path`.pub, unless it is there already."""
    public = path.with_name(path.name + ".pub")
    if path.is_file() and public.is_file():
        return
    path.unlink(missing_ok=True)
    public.unlink(missing_ok=True)
    if shutil.which("ssh-keygen"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise UsageError(f"ssh-keygen could not make {path}: {done.stderr.strip()}.", "Is the disk full?")
    else:
        _make_with_cryptography(path, public, comment)
    path.chmod(0o600)


def _make_with_cryptography(path: Path, public: Path, comment: str) -> None:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise UsageError(
            "The emulated Pi needs SSH keys, and there is neither ssh-keygen nor the Python package cryptography.",
            "apt-get install -y openssh-client",
        ) from error
    key = Ed25519PrivateKey.generate()
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    public.write_text(f"{line.decode()} {comment}\n", encoding="ascii")


def known_hosts_line(public: Path, host: str, port: int) -> str:
    """The line of a known_hosts file for the host key in `public`."""
    kind, key = public.read_text(encoding="ascii").split()[:2]
    return f"[{host}]:{port} {kind} {key}\n"
