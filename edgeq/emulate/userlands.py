"""Emulated Linux devices: one TOML file each, in `userlands/`; nothing else names one.

What a device shows of itself under /proc and /sys is files: an emulation, and it says so elsewhere. Nothing here is
measured: /etc/edgeq-emulated tells the agent, and figures are marked as emulated.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).with_name("userlands")
ELF_MACHINES = {"arm64": (2, 183), "armhf": (1, 40)}
"""Class (1: 32 bits, 2: 64 bits) and machine in the ELF header of a program, by Debian's name of the architecture."""

_DEVICE_TREE = "firmware/devicetree/base"


@dataclass(frozen=True)
class Userland:
    """What an emulated Linux device is made of and shows. `arch` is Debian's name of what its programs are compiled
    for; `packages` are asked for beside those that every device has; `{n}` in `cpuinfo_core` is the core's number."""

    name: str
    title: str
    arch: str
    qemu_user: str
    qemu_user_cpu: str
    qemu_system_cpu: str
    packages: tuple[str, ...]
    hostname: str
    model: str
    compatible: tuple[str, ...]
    cores: int
    midr: str
    least_khz: int
    most_khz: int
    temperature_mc: int
    cpuinfo_core: str
    cpuinfo_board: str

    @property
    def cpuinfo(self) -> str:
        """What lies over /proc/cpuinfo."""
        return "".join(self.cpuinfo_core.replace("{n}", str(n)) for n in range(self.cores)) + self.cpuinfo_board

    @property
    def elf(self) -> tuple[int, int]:
        """Class and machine of its programs."""
        return ELF_MACHINES[self.arch]

    @property
    def bits(self) -> int:
        """Width of its programs."""
        return 32 * self.elf[0]

    def emulator(self) -> str:
        """The host's program that runs its programs, '' if there is none; static, to work among the guest's files."""
        return shutil.which(f"{self.qemu_user}-static") or shutil.which(self.qemu_user) or ""

    def sys_files(self) -> dict[str, str]:
        """Path below /sys -> content."""
        last = self.cores - 1
        files = {
            f"{_DEVICE_TREE}/model": self.model + "\0",
            f"{_DEVICE_TREE}/compatible": "".join(name + "\0" for name in self.compatible),
            f"{_DEVICE_TREE}/serial-number": "0000000000000000\0",
            "class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "class/thermal/thermal_zone0/temp": f"{self.temperature_mc}\n",
            "class/hwmon/hwmon0/name": "cpu_thermal\n",
            "class/hwmon/hwmon0/temp1_input": f"{self.temperature_mc}\n",
            "class/hwmon/hwmon1/name": "rpi_volt\n",
            "class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
            "devices/platform/soc/soc:firmware/get_throttled": "0\n",
            "devices/system/cpu/possible": f"0-{last}\n",
            "devices/system/cpu/present": f"0-{last}\n",
            "devices/system/cpu/online": f"0-{last}\n",
            "devices/system/cpu/kernel_max": "255\n",
        }
        for n in range(self.cores):
            cpu = f"devices/system/cpu/cpu{n}"
            files |= {f"{cpu}/cpufreq/{name}": text for name, text in self._cpufreq().items()}
            files[f"{cpu}/regs/identification/midr_el1"] = f"{self.midr}\n"
            files[f"{cpu}/topology/core_id"] = f"{n}\n"
            files[f"{cpu}/topology/physical_package_id"] = "0\n"
            files[f"{cpu}/topology/core_siblings_list"] = f"0-{last}\n"
        return files

    def _cpufreq(self) -> dict[str, str]:
        least, most = f"{self.least_khz}\n", f"{self.most_khz}\n"
        return {
            "scaling_governor": "ondemand\n",
            "scaling_available_governors": "conservative ondemand userspace powersave performance schedutil\n",
            "scaling_driver": "cpufreq-dt\n",
            "scaling_cur_freq": most,
            "scaling_min_freq": least,
            "scaling_max_freq": most,
            "cpuinfo_cur_freq": most,
            "cpuinfo_min_freq": least,
            "cpuinfo_max_freq": most,
            "related_cpus": " ".join(map(str, range(self.cores))) + "\n",
        }

    def write(self, root: Path) -> None:
        """Put the device's files into the root file system: /sys, and what is to lie over /proc/cpuinfo."""
        for name, text in self.sys_files().items():
            path = root / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="ascii")
        cpuinfo = root / "usr/share/edgeq/cpuinfo"
        cpuinfo.parent.mkdir(parents=True, exist_ok=True)
        cpuinfo.write_text(self.cpuinfo, encoding="ascii")
        (root / "etc/hostname").write_text(self.hostname + "\n", encoding="ascii")
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.hostname}\n", encoding="ascii")


@cache
def userlands() -> dict[str, Userland]:
    """Every emulated Linux device by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.toml"))}


def _read(path: Path) -> Userland:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    lists = {key: tuple(data[key]) for key in ("packages", "compatible")}
    return Userland(name=path.stem, **{**data, **lists})
