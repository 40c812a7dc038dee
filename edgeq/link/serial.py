"""A serial port, through pyserial. The only module that imports it, and it translates its exceptions.

Opening a port moves its control lines, which resets many boards: they are set before, stay as the address says, and
are left alone at the end (HUPCL off). The port is raw and ours alone; `loop://` and `rfc2217://` work as pyserial has
them.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

from edgeq.errors import LinkError, LinkTimeout, UsageError
from edgeq.link.holder import who_has
from edgeq.link.line_address import SerialAddress, parse_serial

if sys.platform == "win32":
    FAILURES: tuple[type[Exception], ...] = (OSError,)
else:
    import termios

    FAILURES = (OSError, termios.error)
"""What a port raises; termios.error is no OSError."""

TICK_S = 0.05
WRITE_S = 5.0
PIECE_BYTES = 256
"""Small enough to leave within `WRITE_S` at any rate."""
RESET_PULSE_S = 0.1
HINT = "Is the board still plugged in? Run the same command again."


class SerialLink:
    """Opened by its constructor. `baud` is the present rate."""

    lossy = True

    def __init__(self, address: str) -> None:
        parsed = parse_serial(address)
        self.name, self.baud = address, parsed.baud
        with _translated(address):
            self._port = _opened(parsed)

    def send(self, data: bytes, timeout_s: float) -> None:  # noqa: ARG002  (pyserial's own limit holds)
        self._check_open()
        for at in range(0, len(data), PIECE_BYTES):
            with _translated(self.name):
                self._port.write(data[at : at + PIECE_BYTES])

    def receive(self, timeout_s: float) -> bytes:
        self._check_open()
        deadline = time.monotonic() + timeout_s
        while True:
            with _translated(self.name):
                data: bytes = self._port.read(max(1, self._port.in_waiting))
            if data:
                return data
            if time.monotonic() >= deadline:
                raise LinkTimeout(f"{self.name} sent nothing for {timeout_s:.3g} s.", HINT)

    def set_baud(self, baud: int) -> None:
        """Go on at another rate; what was sent before has left."""
        self._check_open()
        with _translated(self.name):
            self._port.flush()
            self._port.baudrate = baud
            self._port.reset_input_buffer()
        self.baud = baud

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._port.close()

    def _check_open(self) -> None:
        if not self._port.is_open:
            raise LinkError(f"The link to {self.name} is closed.", "Open it again.")


def _opened(address: SerialAddress) -> Any:
    import serial

    # rfc2217:// has a limit of its own, of its socket, and refuses another.
    write_s = None if address.port.startswith("rfc2217:") else WRITE_S
    port = serial.serial_for_url(
        address.port, do_not_open=True, baudrate=address.baud, timeout=TICK_S, write_timeout=write_s
    )
    port.exclusive = True
    port.dtr, port.rts = address.dtr, address.rts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyserial's own, in rfc2217://
        port.open()
    try:
        _tune(port)
        if address.reset_on_open:
            _pulse(port, address.reset_on_open)
    except BaseException:
        port.close()
        raise
    return port


def _tune(port: Any) -> None:
    """What only a port of this machine can: answers at once, and lines that closing does not move."""
    # A USB adapter otherwise waits 16 ms for more bytes; many a driver cannot be asked.
    with contextlib.suppress(AttributeError, OSError, ValueError):
        port.set_low_latency_mode(True)
    if sys.platform != "win32":
        with contextlib.suppress(AttributeError, OSError, termios.error):
            settings = termios.tcgetattr(port.fileno())
            settings[2] &= ~termios.HUPCL
            termios.tcsetattr(port.fileno(), termios.TCSANOW, settings)


def _pulse(port: Any, line: str) -> None:
    before = getattr(port, line)
    setattr(port, line, not before)
    time.sleep(RESET_PULSE_S)
    setattr(port, line, before)
    port.reset_input_buffer()


@contextlib.contextmanager
def _translated(name: str) -> Iterator[None]:
    """pyserial's exceptions as ours. SerialException is an OSError; a setting that cannot be, a ValueError."""
    try:
        import serial
    except ImportError as error:
        raise UsageError(
            "Serial ports need the Python package pyserial.", "python3 -m pip install 'edgeq[serial]'"
        ) from error
    try:
        yield
    except serial.SerialTimeoutException as error:
        raise LinkTimeout(f"{name} took no bytes for {WRITE_S:g} s.", HINT) from error
    except serial.PortNotOpenError as error:
        raise LinkError(f"The link to {name} is closed.", "Open it again.") from error
    except FAILURES as error:
        raise _link_error(name, error) from error
    except (ValueError, NotImplementedError) as error:
        raise UsageError(f"{name} cannot be used so: {error}.", "Check the port and its options.") from error


def _link_error(name: str, error: Exception) -> LinkError:
    number = error.args[0] if error.args else None
    # On Windows pyserial puts the reason into words: "could not open port 'COM3': PermissionError(13, ...".
    words = str(error)
    if number == errno.EBUSY or "exclusively lock" in words or "PermissionError(13" in words:
        holder = who_has(name)
        by = f" {holder}" if holder else " another program"
        return LinkError(f"{name} is open in{by}.", "Close that program, a serial monitor perhaps.")
    if number in (errno.EACCES, errno.EPERM):
        return LinkError(f"{name}: this user may not open it.", "Add the user to the group dialout, then log in anew.")
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError(2" in words:
        return LinkError(f"{name}: there is no such port.", "Plug the board in; 'pyserial-ports' shows the ports.")
    return LinkError(f"{name} failed: {error}.", HINT)
