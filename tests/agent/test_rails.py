"""Sensors of real boards, as their outputs are printed in public; each case names its source."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from edgeq.agent import rails

CASES = Path(__file__).resolve().parents[1] / "cases" / "rails"


def grown(name: str, root: Path) -> Path:
    """The tree that a case lists, one file a line: `path: text`."""
    for line in (CASES / name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            path, _, text = line.rpartition(": ")
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text + "\n", encoding="utf-8")
    return root


def read(name: str, root: Path) -> dict[str, Any]:
    return rails.read_from(rails.find(grown(name, root)))


def test_the_pmic_of_a_pi_5() -> None:
    found = {rail["name"]: rail for rail in rails.parse_pmic((CASES / "rpi5-pmic.txt").read_text(encoding="utf-8"))}
    assert len(found) == 14
    assert found["VDD_CORE"] == {
        "name": "VDD_CORE",
        "from": "pmic",
        "mv": 897.4594,
        "ma": 10876.74,
        "mw": pytest.approx(10.87674 * 0.8974594 * 1e3, rel=1e-6),
    }
    assert found["EXT5V"] == {"name": "EXT5V", "from": "pmic", "mv": 5067.88}
    # The sum over 12 rails of current times voltage, by hand.
    assert sum(rail.get("mw", 0) for rail in found.values()) == pytest.approx(10799.89, abs=0.01)


@pytest.mark.parametrize(
    "text", ["", 'error=1 error_msg="Command not registered"', "X_A current(0)=1A", "Y_V volt(1)=?V"]
)
def test_a_pi_without_a_pmic_has_no_rails(text: str) -> None:
    assert rails.parse_pmic(text) == []


def test_a_jetson_s_channels_without_its_shunt_voltages(tmp_path: Path) -> None:
    found = read("jetson-xavier-nx.tree", tmp_path)
    assert set(found) == {"rails"}
    assert [(rail["name"], rail["mw"]) for rail in found["rails"]] == [
        ("VDD_IN", pytest.approx(4968 * 0.760)),
        ("VDD_CPU_GPU_CV", pytest.approx(4968 * 0.120)),
        ("VDD_SOC", pytest.approx(4968 * 0.224)),
    ]
    assert found["rails"][0]["chip"] == "ina3221"


def test_a_channel_that_is_switched_off_is_left_out(tmp_path: Path) -> None:
    grown("jetson-xavier-nx.tree", tmp_path)
    current = tmp_path / "sys/class/hwmon/hwmon6/curr2_input"
    current.unlink()
    current.mkdir()  # Reading it fails, as it does with ENODATA.
    assert [rail["name"] for rail in rails.read_from(rails.find(tmp_path))["rails"]] == ["VDD_IN", "VDD_SOC"]


def test_jetpack_4_has_a_driver_of_its_own(tmp_path: Path) -> None:
    found = read("jetson-nano.tree", tmp_path)["rails"]
    assert [(rail["name"], rail["mw"]) for rail in found] == [
        ("POM_5V_IN", 4122.0),
        ("POM_5V_GPU", 109.0),
        ("POM_5V_CPU", 1167.0),
    ]


def test_power_of_jetpack_4_is_current_times_voltage_where_it_is_not_told(tmp_path: Path) -> None:
    folder = tmp_path / "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    folder.mkdir(parents=True)
    for name, text in (("rail_name_0", "VIN"), ("in_voltage0_input", "5072"), ("in_current0_input", "432")):
        (folder / name).write_text(text + "\n")
    (rail,) = rails.read_from(rails.find(tmp_path))["rails"]
    assert (rail["name"], rail["mv"], rail["ma"], rail["mw"]) == ("VIN", 5072.0, 432.0, pytest.approx(2191.104))


def test_channels_that_are_not_connected_are_no_rails(tmp_path: Path) -> None:
    found = read("jetson-agx-orin.tree", tmp_path)["rails"]
    assert [rail["name"] for rail in found] == ["VDDQ_VDD2_1V8AO", "VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]


def test_an_ina219_on_its_battery(tmp_path: Path) -> None:
    (rail,) = read("ups-ina219.tree", tmp_path)["rails"]
    assert (rail["name"], rail["mv"], rail["ma"]) == ("ina219", 4228.0, 40.0)
    assert rail["mw"] == pytest.approx(169.12)  # Finer than the 176 mW of its own register.


def test_two_chips_without_labels_are_two_rails(tmp_path: Path) -> None:
    for number, (ma, mv) in enumerate(((100, 5000), (50, 3300))):
        folder = tmp_path / f"sys/class/hwmon/hwmon{number}"
        folder.mkdir(parents=True)
        for name, text in (("name", "ina226"), ("curr1_input", ma), ("in1_input", mv)):
            (folder / name).write_text(f"{text}\n")
    sources = rails.find(tmp_path)
    for _ in range(2):
        said = rails.read_from(sources)["rails"]
        assert [(rail["name"], rail["mw"]) for rail in said] == [("ina226", 500.0), ("ina226-2", 165.0)]


def test_rapl_counters_are_called_after_package_and_part(tmp_path: Path) -> None:
    found = read("intel-rapl.tree", tmp_path)
    assert found["energy_uj"] == {
        "package-0": 26963529117,
        "package-0/core": 7980278886,
        "package-0/uncore": 6564982278,
        "package-0/dram": 2469474853,
    }
    assert found["range_uj"]["package-0"] == 262143328850
    assert "denied" not in found


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_counters_that_only_root_may_read_are_told(tmp_path: Path) -> None:
    grown("intel-rapl.tree", tmp_path)
    secret = tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj"
    secret.chmod(0)
    assert rails.read_from(rails.find(tmp_path))["denied"] == [str(secret)]


def test_a_counter_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above where the tests run as root: the kernel's refusal is put before the file."""
    grown("intel-rapl.tree", tmp_path)
    plain = Path.read_text

    def refused(path: Path, *args: Any, **more: Any) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, *args, **more)

    monkeypatch.setattr(Path, "read_text", refused)
    found = rails.read_from(rails.find(tmp_path))
    assert set(found) == {"denied"}
    assert len(found["denied"]) == 4


def test_batteries_that_feed_the_device(tmp_path: Path) -> None:
    (laptop,) = read("thinkpad-battery.tree", tmp_path / "a")["rails"]
    assert laptop == {"name": "BAT0", "from": "battery", "status": "Discharging", "mv": 10459.0, "mw": 27758.0}
    (tablet,) = read("tablet-battery.tree", tmp_path / "b")["rails"]
    assert (tablet["name"], tablet["mw"]) == ("BATC", pytest.approx(3.942 * 1560))
    (dell,) = read("dell-battery.tree", tmp_path / "c")["rails"]
    assert (dell["name"], dell["mw"]) == ("BAT0", pytest.approx(12.6 * 756))


def test_a_board_without_sensors_says_nothing(tmp_path: Path) -> None:
    assert rails.find(tmp_path) == ()
    assert rails.read_from(()) == {}


def test_readings_are_taken_anew_each_time(tmp_path: Path) -> None:
    sources = rails.find(grown("jetson-xavier-nx.tree", tmp_path))
    (tmp_path / "sys/class/hwmon/hwmon6/curr1_input").write_text("1000\n")
    assert rails.read_from(sources)["rails"][0]["mw"] == pytest.approx(4968)


def test_a_board_at_rest_is_read_for_its_idle_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = rails.find(grown("jetson-xavier-nx.tree", tmp_path))
    monkeypatch.setattr(rails, "_here", lambda: sources)
    now = [0.0]
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now[0])
        patch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
        rows = rails.at_rest(since_ns=10**30, seconds=0.1, every_s=0.04)
    assert len(rows) == 3
    assert all(row["t_ns"] < 0 and set(row) == {"t_ns", "rest", "rails"} for row in rows)
    monkeypatch.setattr(rails, "_here", tuple)
    assert rails.at_rest(seconds=60) == []
