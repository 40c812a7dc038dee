"""What a Raspberry Pi 4 shows of itself under /proc and /sys, as files: an emulation, and it says so elsewhere.

Values are those a Pi 4 Model B Rev 1.4 with 4 GB shows at rest (BCM2711, four Cortex-A72 r0p3, 600-1500 MHz).
Nothing here is measured: /etc/edgeq-emulated tells the agent, and figures are marked as emulated.
"""

from __future__ import annotations

from pathlib import Path

MODEL = "Raspberry Pi 4 Model B Rev 1.4"
HOSTNAME = "raspberrypi"
CORES = 4

_CPU = """processor\t: {n}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""

CPUINFO = (
    "".join(_CPU.format(n=n) for n in range(CORES))
    + f"Hardware\t: BCM2835\nRevision\t: c03114\nSerial\t\t: 0000000000000000\nModel\t\t: {MODEL}\n"
)

_DEVICE_TREE = "firmware/devicetree/base"
_CPUFREQ = {
    "scaling_governor": "ondemand\n",
    "scaling_available_governors": "conservative ondemand userspace powersave performance schedutil\n",
    "scaling_driver": "cpufreq-dt\n",
    "scaling_cur_freq": "1500000\n",
    "scaling_min_freq": "600000\n",
    "scaling_max_freq": "1500000\n",
    "cpuinfo_cur_freq": "1500000\n",
    "cpuinfo_min_freq": "600000\n",
    "cpuinfo_max_freq": "1500000\n",
    "related_cpus": "0 1 2 3\n",
}


def sys_files() -> dict[str, str]:
    """Path below /sys -> content."""
    files = {
        f"{_DEVICE_TREE}/model": MODEL + "\0",
        f"{_DEVICE_TREE}/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
        f"{_DEVICE_TREE}/serial-number": "0000000000000000\0",
        "class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "class/thermal/thermal_zone0/temp": "48000\n",
        "class/hwmon/hwmon0/name": "cpu_thermal\n",
        "class/hwmon/hwmon0/temp1_input": "48000\n",
        "class/hwmon/hwmon1/name": "rpi_volt\n",
        "class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
        "devices/platform/soc/soc:firmware/get_throttled": "0\n",
        "devices/system/cpu/possible": f"0-{CORES - 1}\n",
        "devices/system/cpu/present": f"0-{CORES - 1}\n",
        "devices/system/cpu/online": f"0-{CORES - 1}\n",
        "devices/system/cpu/kernel_max": "255\n",
    }
    for n in range(CORES):
        cpu = f"devices/system/cpu/cpu{n}"
        files |= {f"{cpu}/cpufreq/{name}": text for name, text in _CPUFREQ.items()}
        files[f"{cpu}/regs/identification/midr_el1"] = "0x00000000410fd083\n"
        files[f"{cpu}/topology/core_id"] = f"{n}\n"
        files[f"{cpu}/topology/physical_package_id"] = "0\n"
        files[f"{cpu}/topology/core_siblings_list"] = f"0-{CORES - 1}\n"
    return files


def write_board(root: Path) -> None:
    """Put the board's files into the root file system: /sys, and what is to lie over /proc/cpuinfo."""
    for name, text in sys_files().items():
        path = root / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    cpuinfo = root / "usr/share/edgeq/cpuinfo"
    cpuinfo.parent.mkdir(parents=True, exist_ok=True)
    cpuinfo.write_text(CPUINFO, encoding="ascii")
    (root / "etc/hostname").write_text(HOSTNAME + "\n", encoding="ascii")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {HOSTNAME}\n", encoding="ascii")
