"""The guest's sshd: its configuration and command line, the same in every recipe."""

from __future__ import annotations

from edgeq.emulate.rootfs import USER

FOLDER = "/etc/edgeq"
MARKER = "EDGEQ_EMULATOR"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"


def sshd_config(cookie: str, qemu_cpu: str) -> str:
    """The sshd_config of one start; `cookie` shows in the banner and in the environment of every login.

    `qemu_cpu` is what qemu-user shall be: its default model `max` has SVE and SME, with which XNNPACK's int8 kernels go
    wrong. A password is asked for, as on a real Pi, but no account has one: only the instance's key logs in.
    """
    return f"""# Written by edgeq at every start of this emulated device.
HostKey {FOLDER}/ssh_host_ed25519_key
AuthorizedKeysFile {FOLDER}/authorized_keys .ssh/authorized_keys
AllowUsers {USER}
PermitRootLogin no
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 100
MaxSessions 100
VersionAddendum edgeq-{cookie}
SetEnv QEMU_CPU={qemu_cpu} {MARKER}={cookie} PATH={PATH}
Subsystem sftp /usr/lib/openssh/sftp-server
"""


def sshd_command(port: int, listen: str = "127.0.0.1") -> list[str]:
    """What runs in the guest: sshd in the foreground, log on stderr."""
    return [
        "/usr/sbin/sshd",
        "-D",
        "-e",
        "-f",
        f"{FOLDER}/sshd_config",
        "-p",
        str(port),
        "-o",
        f"ListenAddress={listen}",
    ]
