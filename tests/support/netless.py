"""Shell scripts in a network namespace that has nothing but a loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NO_NETWORK = """
import socket, sys
probe = socket.socket()
probe.settimeout(2)
try:
    probe.connect(("192.0.2.1", 9))  # TEST-NET-1
except OSError as error:
    sys.exit(0 if error.errno == 101 else str(error))  # ENETUNREACH
sys.exit("there is a network")
"""


def without_network(script: str, folder: Path, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a network namespace that has nothing but a loopback."""
    path = f"{Path(sys.executable).parent}:/usr/sbin:/sbin:{os.environ['PATH']}"
    return subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", f"set -eu\nip link set lo up\n{script}"],
        cwd=folder,
        env={**os.environ, "PATH": path, "EDGEQ_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def why_not(folder: Path) -> str:
    """Why there is no such namespace on this machine; empty where there is one."""
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2")):
        if shutil.which(program, path=f"/usr/sbin:/sbin:{os.environ['PATH']}") is None:
            return f"{program} is not installed ({package})"
    done = without_network(f"'{sys.executable}' -c '{NO_NETWORK}'", folder, 30)
    return f"this machine gives no network namespace: {done.stderr.strip()[-200:]}" if done.returncode else ""
