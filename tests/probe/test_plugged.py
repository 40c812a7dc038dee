"""The list of probes: each row of the table, what is plugged in, and what a missing library takes."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from edgeq.errors import UsageError
from edgeq.probe import PROBES
from edgeq.probe.plugged import LIBRARIES, feed_from, probe_states


def test_every_probe_is_listed_in_order() -> None:
    assert [state.scheme for state in probe_states()] == list(PROBES)


def test_meters_that_are_plugged_in_have_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ppk2_api", reason="ppk2-api is not installed")
    if sys.platform == "win32":
        pytest.skip("ports are found in another way")
    import serial.tools.list_ports

    class Port:
        device, product = "/dev/ttyACM7", "PPK2"

    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: [Port(), type("Other", (), {"product": "x"})()])
    found = {state.scheme: state for state in probe_states()}
    assert found["ppk2"].addresses == ("ppk2:/dev/ttyACM7?supply_v=3.3",)
    # As the library has it since: github.com/IRNAS/ppk2-api-python/issues/53.
    from ppk2_api.ppk2_api import PPK2_API

    monkeypatch.setattr(PPK2_API, "list_devices", staticmethod(lambda: [("/dev/ttyACM7", "D55B03750145")]))
    assert {state.scheme: state for state in probe_states()}["ppk2"] == found["ppk2"]


def test_a_missing_library_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str, *_: Any) -> None:
        return None

    monkeypatch.setattr("edgeq.probe.plugged.find_spec", none)
    missing = {state.scheme: state.missing for state in probe_states() if state.missing}
    assert missing == {scheme: f"pip install '{extra}'" for scheme, (_, extra) in LIBRARIES.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
def test_a_kit_feeds_the_board() -> None:
    pytest.importorskip("ppk2_api", reason="ppk2-api is not installed")
    import numpy as np
    from ppk2 import EmulatedPpk2

    with EmulatedPpk2(lambda _, t: (np.zeros(t.size), np.zeros(t.size, np.uint8))) as kit:
        assert feed_from(f"ppk2:{kit.port}?supply_v=3.3") == 3.3
        assert kit.fed()
    with pytest.raises(UsageError, match="feeds nothing"):
        feed_from("plug:192.168.1.20")
