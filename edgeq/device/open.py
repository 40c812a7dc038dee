"""From an address to a device: the one place that knows which link an address means."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from edgeq.device.address import check_address, local_store
from edgeq.device.agentfile import agent_bytes, agent_path, agent_sha
from edgeq.device.device import Device, Progress, silent
from edgeq.device.versions import require_near
from edgeq.errors import DeviceError
from edgeq.host.system import need_linux
from edgeq.link.base import Link
from edgeq.link.program import ProgramLink
from edgeq.protocol.status import Status

AskPassword = Callable[[str], str]


def open_device(address: str, progress: Progress = silent, ask_password: AskPassword | None = None) -> Device:
    """Open `local:[NAME]`, `ssh://[user@]host[:port]`, `serial:PORT`, `tcp://host:port` or `qemu:NAME[#INSTANCE]`.

    On Linux the agent is brought up, and renewed if another one is at work there, unless that is installed as a
    service; firmware answers by itself.
    """
    scheme, _, rest = address.partition(":")
    openers: dict[str, Callable[[], Link]] = {
        "local": lambda: _local(address),
        "ssh": lambda: ssh_link(address, progress, ask_password=ask_password),
        "serial": lambda: serial_link(address),
        "tcp": lambda: tcp_link(address),
        "qemu": lambda: _qemu(rest, progress),
    }
    check_address(address)

    def again() -> Link:
        """As at first, but nobody is asked for a password."""
        return open_device(address).client.link

    device = Device(openers[scheme](), address, again)
    try:
        facts = device.describe()
        if facts.get("kind") == "mcu" or facts.get("agent_sha") == agent_sha():
            return device
        if facts.get("service"):
            # One that was installed stays: it is changed by 'edgeq agent update' only.
            require_near(address, facts)
            return device
        # Another agent's daemon was still at work there: it ends, and ours starts.
        _renew(device)
    except BaseException:
        device.client.link.close()
        raise
    device.client.link.close()
    return Device(openers[scheme](), address, again)


def _renew(device: Device) -> None:
    try:
        device.reset()
    except DeviceError as error:
        raise DeviceError(
            f"{device.address} is busy with the command of another version of edgeq.",
            "Wait for it and try again.",
            Status.BUSY,
        ) from error


def _local(address: str) -> Link:
    need_linux(address)
    return ProgramLink([sys.executable, str(agent_path()), "attach", str(local_store(address))], address)


def ssh_link(
    address: str,
    progress: Progress,
    *,
    identity: Path | None = None,
    known_hosts: Path | None = None,
    ask_password: AskPassword | None = None,
) -> Link:
    """A link to the agent on a device: by the installed `ssh` where that gets through, else by paramiko, which also
    pushes the agent and says what is wrong."""
    from edgeq.device.bringup import attach_quickly, bring_up
    from edgeq.link.ssh import SshSession
    from edgeq.link.ssh_config import resolve
    from edgeq.link.ssh_openssh import openssh

    target = resolve(address, identity=identity, known_hosts=known_hosts)
    way = openssh(target)
    link = attach_quickly(way, agent_bytes()) if way else None
    if link:
        return link
    session = SshSession(target, ask_password=ask_password)
    try:
        return _OwningLink(bring_up(session, agent_bytes(), progress=progress), session.close)
    except BaseException:
        session.close()
        raise


def serial_link(address: str) -> Link:
    """A serial port; `serial:socket://host:port` is one behind TCP."""
    from edgeq.link.line_address import parse_serial
    from edgeq.link.serial import SerialLink

    kind, separator, place = parse_serial(address).port.partition("://")
    return tcp_link(f"tcp://{place}") if separator and kind == "socket" else SerialLink(address)


def tcp_link(address: str) -> Link:
    """A serial line behind TCP."""
    from edgeq.link.tcp import TcpLink

    return TcpLink(address)


def _qemu(rest: str, progress: Progress) -> Link:
    """`NAME`, or `NAME#INSTANCE` for one of several: an emulated board's serial line, or an emulated Pi's sshd."""
    from edgeq import emulate

    name, _, instance = rest.partition("#")
    found = emulate.start(name, instance=instance or None, progress=progress)
    if found.address.startswith("tcp:"):
        link = tcp_link(found.address)
    else:
        link = ssh_link(found.address, progress, identity=found.identity, known_hosts=found.known_hosts)
    link.name = f"qemu:{rest}"  # What it is called here, not the port that it got this time.
    return link


class _OwningLink:
    """A link whose end is the end of the session that carries it."""

    def __init__(self, link: Link, close_session: Callable[[], None]) -> None:
        self.name, self.lossy, self.send, self.receive = link.name, link.lossy, link.send, link.receive
        self._close_link, self._close_session = link.close, close_session

    def close(self) -> None:
        self._close_link()
        self._close_session()
