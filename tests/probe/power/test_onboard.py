"""The board's own sensors as a meter: what stands for the board, and energy within 1 % of what the files were made to
say while a device benches. The files lie in a tree as sysfs has them and are read by the agent's own parsers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeq.agent import rails as agent
from edgeq.errors import UsageError
from edgeq.probe import open_probe
from edgeq.probe.power.account import account
from edgeq.probe.power.rails import CHIPS, onboard, readings, supply_v
from edgeq.run import Series
from edgeq.target import load_target

CASES = Path(__file__).resolve().parents[2] / "cases" / "rails"
BEGIN, EACH, RUNS = 3.0, 0.02, 500
END = BEGIN + EACH * RUNS
"""The bench begins at 0; inferences of 20 ms run from 3 s to 13 s, idle is read before and after."""


def device(warmup_s: float = 3.0) -> list[Series]:
    starts = tuple((BEGIN + EACH * np.arange(RUNS)).tolist())
    return [
        Series("first_inference", "ns", "measured", (warmup_s * 1e9,)),
        Series("invoke", "ns", "measured", (EACH * 1e9,) * RUNS, t_s=starts),
    ]


def busy(t: float) -> bool:
    return 0 <= t < END


def grow(root: Path, files: dict[str, int | str]) -> None:
    for path, value in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{value}\n")


def rows_of(root: Path, times: np.ndarray[Any, Any], files_at: Any) -> list[dict[str, Any]]:
    """The rows of a bench's trace: at each time the tree says what `files_at` has, and the agent reads it."""
    rows = []
    for t in times.tolist():
        grow(root, files_at(t))
        rows.append({"t_ns": int(t * 1e9), **agent.read_from(agent.find(root))})
    return rows


TIMES = np.arange(-2.0, END + 2.0, 0.1)


def test_an_ina226_in_a_tree_gives_energy_within_1_percent(tmp_path: Path) -> None:
    def files(t: float) -> dict[str, int | str]:
        folder = "sys/class/hwmon/hwmon1/"
        return {folder + "name": "ina226", folder + "in1_input": 5000, folder + "curr1_input": 900 if busy(t) else 400}

    found = account([], device(), {"trace": rows_of(tmp_path, TIMES, files)})
    energy = found.energy
    assert energy is not None
    exact_uj = (0.900 - 0.400) * 5.0 * EACH * 1e6
    assert energy["energy_uj"] == pytest.approx(exact_uj, rel=0.01)
    assert abs(energy["energy_uj"] - exact_uj) < energy["uncertainty_uj"] < exact_uj * 0.1
    assert (energy["tier"], energy["meter"], energy["gate"]) == ("T1", "ina226 on the board", "markers")
    assert (energy["idle_mw"], energy["supply_v"], energy["inferences"]) == (pytest.approx(2000), 5.0, RUNS)
    assert "SBOS547" in energy["accuracy"]
    assert {item.name for item in found.series} >= {"power", "gate", "energy", "rail_ina226"}


def test_without_idle_readings_energy_is_gross_and_says_so(tmp_path: Path) -> None:
    def files(t: float) -> dict[str, int | str]:
        folder = "sys/class/hwmon/hwmon1/"
        return {folder + "name": "ina226", folder + "in1_input": 5000, folder + "curr1_input": 900}

    energy = account([], device(), {"trace": rows_of(tmp_path, np.arange(0, END + 0.1, 0.1), files)}).energy
    assert energy is not None
    assert energy["energy_uj"] == pytest.approx(0.9 * 5 * EACH * 1e6, rel=0.001)
    assert (energy["idle_mw"], energy["idle"]) == (None, "not known, so not subtracted")


def test_a_counter_that_begins_again_gives_the_counted_energy(tmp_path: Path) -> None:
    def files(t: float) -> dict[str, int | str]:
        joules = 10 * (t + 2) + 15 * min(max(t, 0), END)  # 10 W, and 15 W more while busy.
        folder = "sys/class/powercap/intel-rapl:0/"
        counted = {
            "name": "package-0",
            "energy_uj": int(250e6 + joules * 1e6) % 262_143_328,
            "max_energy_range_uj": 262_143_328,
        }
        return {folder + name: value for name, value in counted.items()}

    energy = account([], device(), {"trace": rows_of(tmp_path, TIMES, files)}).energy
    assert energy is not None
    assert energy["energy_uj"] == pytest.approx(15 * EACH * 1e6, rel=0.01)
    assert energy["meter"] == "RAPL"
    assert "package-0" in energy["scope"]


def test_a_counters_range_may_be_told_once_before(tmp_path: Path) -> None:
    rows = [{"t_ns": n * 10**9, "energy_uj": {"package-0": value}} for n, value in enumerate((90, 10, 30))]
    found = onboard(readings({"trace": rows, "before": {"range_uj": {"package-0": 100}}}))
    assert found is not None
    # 20 uJ, then 20 uJ, each in a second.
    assert found[1].power_mw == pytest.approx([0.02] * 4)


@pytest.mark.parametrize(
    ("said", "rail", "mw", "name"),
    [
        (["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"], "", 1, "ina3221 on the board"),
        (["VDD_IN", "VDD_MUX", "VDD_SYS_CPU"], "", 3, "ina3221 on the board"),
        (["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"], "", 7, "ina3221 on the board"),
        (["VDD_IN", "VDD_CPU_GPU_CV"], "VDD_CPU_GPU_CV", 2, "ina3221 on the board"),
    ],
)
def test_what_stands_for_a_jetson(said: list[str], rail: str, mw: float, name: str) -> None:
    items = [{"name": each, "from": "hwmon", "chip": "ina3221", "mw": 2.0**n} for n, each in enumerate(said)]
    rows = [(float(n), {"rails": items}) for n in range(3)]
    found = onboard(rows, rail)
    assert found is not None
    assert (found[0].name, found[1].power_mw.tolist()) == (name, [mw] * 3)


def test_the_pmic_of_a_pi_5_is_the_sum_of_its_rails() -> None:
    items = agent.parse_pmic((CASES / "rpi5-pmic.txt").read_text(encoding="utf-8"))
    rows = [(float(n), {"rails": items}) for n in range(3)]
    found = onboard(rows)
    assert found is not None
    meter, capture = found
    assert capture.power_mw == pytest.approx(10799.89, abs=0.01)
    assert "not what hangs on 5 V" in meter.scope
    assert meter.gain_pct == 15
    assert supply_v(rows) == 5.068


def test_a_charging_battery_is_no_meter() -> None:
    item = {"name": "BAT0", "from": "battery", "mw": 900.0}
    assert onboard([(float(n), {"rails": [{**item, "status": "Charging"}]}) for n in range(3)]) is None
    found = onboard([(float(n), {"rails": [{**item, "status": "Discharging"}]}) for n in range(3)])
    assert found is not None
    assert found[1].averaged_s == 1.0


def test_psys_holds_the_package_and_a_package_does_not_hold_its_memory() -> None:
    counters = {"package-0": 0, "package-0/core": 0, "package-0/dram": 0}
    rows = [(float(n), {"energy_uj": dict.fromkeys(counters, n * 1000)}) for n in range(3)]
    found = onboard(rows)
    assert found is not None
    assert found[1].power_mw == pytest.approx(2.0)
    with_psys = [
        (t, {"energy_uj": {**said["energy_uj"], "psys": said["energy_uj"]["package-0"] * 5}}) for t, said in rows
    ]
    found = onboard(with_psys)
    assert found is not None
    assert found[1].power_mw == pytest.approx(5.0)
    assert "(psys)" in found[0].scope


def test_addresses() -> None:
    pi = load_target("rpi5")
    assert open_probe("onboard:?rail=VDD_IN", pi).stop() == ()
    with pytest.raises(UsageError, match="takes only options"):
        open_probe("onboard:VDD_IN", pi)
    with pytest.raises(UsageError, match="nothing reads sensors on it"):
        open_probe("onboard:", load_target("nucleo-l4r5zi"))
    with pytest.raises(UsageError, match="no option 'rial'"):
        open_probe("onboard:?rial=X", pi)


def test_two_chips_of_a_kind_without_labels_are_two_rails() -> None:
    said = agent.parse_hwmon("ina219", {"in1_input": "5000", "curr1_input": "500"})
    said += agent.parse_hwmon("ina219", {"in1_input": "3300", "curr1_input": "100"})
    found = onboard([(0.1 * index, {"rails": said}) for index in range(20)])
    assert found is not None
    assert set(found[1].power_mw.tolist()) == {2830.0}
    assert "ina219 + ina219 (2)" in found[0].scope


def test_each_known_chip_says_where_its_limits_come_from() -> None:
    """The data sheet's limits of current and voltage and 1 % of the shunt, and no less."""
    assert set(CHIPS) == {"ina219", "ina220", "ina226", "ina228", "ina238", "ina3221"}
    for gain_pct, offset_mw, source in CHIPS.values():
        assert gain_pct > 1.0 and offset_mw > 0
        assert "TI" in source and "a shunt of 1 %, which is assumed" in source
