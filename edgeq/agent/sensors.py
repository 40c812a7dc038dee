"""What the board's sensors say: each reading is a file or a command, and a pure parser beside it.

A sensor that the board lacks is absent, and so is what only root may read. Known lies:

- `scaling_cur_freq` of a Raspberry Pi is what Linux asked for, not what the firmware lets run (raspberrypi/linux#2986,
  #5874), and `vcgencmd measure_clock arm` is no remedy: on a Pi 5 it differs from what is asked for where nothing is
  throttled (geerlingguy/sbc-reviews#21). So `cpu_hz` comes from Linux; the throttle bits say when not to believe it.
- The sysfs file `get_throttled` may say 0 where `vcgencmd get_throttled` does not: the kernel polls it every other
  second and clears sticky bits then (raspberrypi/linux#2367). Both are read, and every bit of either counts.
- `thermal_zone0` is not always the processor: on a Jetson Nano it is `AO-therm` (issue #2 of
  MartinMatta/Jetson-Nano-temperature).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any, Callable

from edgeq.agent import rails

CAPPED_NOW, THROTTLED_NOW, UNDERVOLTAGE_NOW = 1 << 1, 1 << 2, 1 << 0
"""Bits of `vcgencmd get_throttled`; other boards' readings are told in them, too."""
COMMAND_S = 2.0
MOST_POLICIES = 16
"""A server has one for each of its hundreds of cores; a bench's answer is one message and holds them twice."""
_CPUFREQ = "sys/devices/system/cpu/cpufreq/policy*"
_OLD_CPUFREQ = "sys/devices/system/cpu/cpu[0-9]*/cpufreq"
_FIRMWARE = "sys/devices/platform/soc*/soc*:firmware/get_throttled"
_COUNTS = "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count"
_NEGOTIATED = "ucsi-source-psy"
_COLDEST_C, _HOTTEST_C = -60.0, 160.0


class Place:
    """Where readings come from: the files below `root`, and programs of this system."""

    def __init__(self, root: str = "/", run: Callable[[list[str]], str] | None = None) -> None:
        self.root, self._run = root, run or run_program

    def text(self, path: str) -> str:
        """What a file holds (its first 64 KB), stripped; empty where it cannot be read."""
        try:
            with Path(self.root, path).open("rb") as file:
                return file.read(65536).decode("utf-8", "replace").strip("\0\n ")
        except OSError:
            return ""

    def number(self, path: str, factor: float = 1.0) -> float | None:
        """The number in a file, scaled."""
        return scaled(self.text(path), factor)

    def paths(self, pattern: str) -> list[str]:
        """Files below the root, in the order of the numbers in their names."""
        within = [str(path.relative_to(self.root)) for path in Path(self.root).glob(pattern)]
        return sorted(within, key=lambda path: [int(word) if word.isdigit() else word for word in _words(path)])

    def output(self, *command: str) -> str:
        """What a program prints; empty where there is none."""
        return self._run(list(command))


def _words(path: str) -> list[str]:
    return [word for word in re.split(r"(\d+)", path) if word]


@cache
def _program(name: str) -> str | None:
    return shutil.which(name)


def run_program(command: list[str]) -> str:
    """What a program prints on stdout; nothing where it is not there or takes too long."""
    program = _program(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run([program, *command[1:]], capture_output=True, timeout=COMMAND_S, check=False)
        return done.stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""


HERE = Place()


def sensors(place: Place = HERE) -> dict[str, Any]:
    """Readings of this moment; `clock_ns` is the clock that benches are timed by."""
    zone, temperature = temperature_c(place)
    power = rails.read() if place is HERE else {"rails": rails.parse_pmic(place.output(*rails.PMIC))}
    supply_of, supply = supply_v(place, power.get("rails") or [])
    readings = {
        "clock_ns": time.perf_counter_ns(),
        **frequency(place),
        "temperature_c": temperature,
        "temperature_of": zone or None,
        "load_1m": scaled((place.text("proc/loadavg").split() or [""])[0], 1.0),
        "throttled": throttled(place),
        "throttle_count": throttle_count(place),
        "supply_v": supply,
        "supply_of": supply_of or None,
        **power,
    }
    return {name: value for name, value in readings.items() if value is not None and value != []}


def frequency(place: Place) -> dict[str, Any]:
    """`governor`, `cpu_hz` (of the fastest policy now), its limits `cpu_hz_min` and `cpu_hz_max`, what the hardware can
    do (`cpu_hz_top`), and with several policies, up to 16, each of them as `policies`."""
    folders = place.paths(_CPUFREQ) or place.paths(_OLD_CPUFREQ)
    policies = [policy for policy in (_policy(place, folder) for folder in folders) if policy]
    if not policies:
        return {}
    fastest = max(policies, key=lambda policy: policy.get("cpu_hz", 0.0))
    governors = sorted({str(policy["governor"]) for policy in policies if policy.get("governor")})
    found = {**fastest, "governor": ", ".join(governors) or None}
    if 1 < len(policies) <= MOST_POLICIES and any(policy.get("cores") for policy in policies):
        found["policies"] = policies
    found.pop("cores", None)
    return {name: value for name, value in found.items() if value is not None}


def _policy(place: Place, folder: str) -> dict[str, Any]:
    found = {
        "governor": place.text(f"{folder}/scaling_governor") or None,
        "cpu_hz": place.number(f"{folder}/scaling_cur_freq", 1000),
        "cpu_hz_min": place.number(f"{folder}/scaling_min_freq", 1000),
        "cpu_hz_max": place.number(f"{folder}/scaling_max_freq", 1000),
        "cpu_hz_top": place.number(f"{folder}/cpuinfo_max_freq", 1000),
        "cores": place.text(f"{folder}/related_cpus") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


_ZONES = (
    r"x86_pkg_temp|tcpu",
    r"cpu.*|big|mid|little|.*[-_]cpu.*|soc[-_]?thermal|soc\d*|bcm2835_thermal",
    r"tj[-_]thermal|cluster.*|.*soc.*|a57.*|.*tsens_tz_sensor.*",
    r"acpitz",
)
"""Types of thermal zones, the best sign of the processor's temperature first; others are of something else."""
_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


def temperature_c(place: Place) -> tuple[str, float | None]:
    """Which sensor is the processor's, and its temperature: the hottest of the best kind of thermal zone."""
    zones = [
        (place.text(f"{folder}/type"), place.number(f"{folder}/temp", 0.001))
        for folder in place.paths("sys/class/thermal/thermal_zone*")
    ]
    chips = [
        (name, place.number(f"{folder}/temp1_input", 0.001))
        for folder in place.paths("sys/class/hwmon/hwmon*")
        for name in [place.text(f"{folder}/name")]
        if name in _CHIPS
    ]
    return processor_zone(zones, chips)


def processor_zone(
    zones: list[tuple[str, float | None]], chips: list[tuple[str, float | None]] | None = None
) -> tuple[str, float | None]:
    """Of thermal zones (type, degrees Celsius) and hwmon chips the one to go by; ("", None) where there is none.

    A zone that is switched off says something that cannot be, such as -256 on a Jetson.
    """

    def hottest(found: list[tuple[str, float | None]]) -> tuple[str, float | None] | None:
        real = [(name, value) for name, value in found if value is not None and _COLDEST_C < value < _HOTTEST_C]
        return max(real, key=lambda item: item[1]) if real else None

    for number, pattern in enumerate(_ZONES):
        if number == 2:  # A processor's own chip is better than a zone of which we only guess.
            chip = hottest(chips or [])
            if chip:
                return chip
        best = hottest([(kind, value) for kind, value in zones if re.fullmatch(pattern, kind.lower())])
        if best:
            return best
    if len(zones) == 1:
        return hottest(zones) or ("", None)
    return "", None


def throttled(place: Place) -> int | None:
    """Throttle bits: of the Pi's firmware by both ways, under-voltage of its hwmon driver, and "capped now" where a
    cooling device of the processor is at work. None where nothing here could tell."""
    told = [
        parse_throttled(place.output("vcgencmd", "get_throttled")),
        *(parse_bits(place.text(path)) for path in place.paths(_FIRMWARE)),
        *(_alarm(place, folder) for folder in place.paths("sys/class/hwmon/hwmon*")),
        *(_cooling(place, folder) for folder in place.paths("sys/class/thermal/cooling_device*")),
    ]
    bits = [item for item in told if item is not None]
    if not bits:
        return None
    found = 0
    for item in bits:
        found |= item
    return found


def _alarm(place: Place, folder: str) -> int | None:
    if place.text(f"{folder}/name") != "rpi_volt":
        return None
    alarm = place.text(f"{folder}/in0_lcrit_alarm")
    return {"0": 0, "1": UNDERVOLTAGE_NOW}.get(alarm)


def _cooling(place: Place, folder: str) -> int | None:
    return parse_cooling(place.text(f"{folder}/type"), place.text(f"{folder}/cur_state"))


def parse_cooling(kind: str, state: str) -> int | None:
    """`thermal-cpufreq-0`, `Processor` and the like with a state above 0 cap the clock; None for fans and others."""
    if not re.fullmatch(r"(thermal-)?cpufreq.*|processor|cpu[-_].*|.*[-_]cpufreq.*", kind.lower()):
        return None
    value = scaled(state, 1.0)
    return None if value is None else (CAPPED_NOW if value > 0 else 0)


def throttle_count(place: Place) -> int | None:
    """How often an x86 processor was throttled for its temperature since it started: the sum over its cores."""
    counts = [place.number(path) for path in place.paths(_COUNTS)]
    known = [int(count) for count in counts if count is not None]
    return sum(known) if known else None


def parse_throttled(text: str) -> int | None:
    """`throttled=0x50005` of `vcgencmd get_throttled` -> 0x50005; None for anything else."""
    key, _, value = text.strip().partition("=")
    return parse_bits(value) if key == "throttled" else None


def parse_bits(text: str) -> int | None:
    """Hexadecimal, with or without `0x`."""
    try:
        return int(text.strip(), 16)
    except ValueError:
        return None


def supply_v(place: Place, own: list[dict[str, Any]]) -> tuple[str, float | None]:
    """What feeds the board, and its voltage: the Pi 5's input as its PMIC sees it (`own`: rails, `edgeq.agent.rails`),
    or a power supply that Linux knows, a battery first, but none of a mouse (scope `Device`) and no USB-C, which says
    what was negotiated; ("", None) where nothing tells it."""
    for rail in own:
        if rail["name"] == "EXT5V" and rail.get("mv"):
            return "EXT5V", round(rail["mv"] / 1000, 3)
    found = []
    for folder in place.paths("sys/class/power_supply/*"):
        value = place.number(f"{folder}/voltage_now", 1e-6)
        told = Path(folder).name.startswith(_NEGOTIATED)
        if value and not told and place.text(f"{folder}/online") != "0" and place.text(f"{folder}/scope") != "Device":
            found.append((place.text(f"{folder}/type") != "Battery", Path(folder).name, value))
    if not found:
        return "", None
    _, name, value = min(found)
    return name, value


def parse_stat(text: str) -> tuple[int, int]:
    """/proc/stat -> (ticks that all processors were busy, also for other virtual machines; processors)."""
    busy = cores = 0
    for line in text.splitlines():
        words = line.split()
        if words and re.fullmatch(r"cpu\d+", words[0]):
            cores += 1
            # user, nice, system, idle, iowait, irq, softirq, steal; what a guest took is in user already
            fields = [int(word) for word in words[1:9]]
            busy += sum(fields[:3]) + sum(fields[5:8])
    return busy, cores


def parse_process_ticks(text: str) -> int:
    """/proc/PID/stat -> ticks of the process and its threads; 0 where it is gone."""
    words = text.rpartition(")")[2].split()
    return int(words[11]) + int(words[12]) if len(words) > 12 else 0


def scaled(text: str, factor: float) -> float | None:
    """A number in a text, times `factor`, to three decimals."""
    try:
        return round(float(text) * factor, 3)
    except ValueError:
        return None
