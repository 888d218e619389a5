"""Energy of the CPU packages and their memory from RAPL, as Linux shows it under /sys/class/powercap.

Zones that count the same joules twice are left out: parts of a package ("core", "uncore"), the platform ("psys") and
the mirror of a package that some machines offer through MMIO. Counters are in microjoules and wrap around at
`max_energy_range_uj`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inflor_bench.measure.power.protocol import Clock, Conditions, Meter, MeterError

POWERCAP = Path("/sys/class/powercap")


@dataclass
class _Zone:
    name: str
    counter: Path
    range_uj: int
    last_uj: int = 0


class RaplMeter(Meter):
    """RAPL of this machine. `root` is for tests."""

    name = "rapl"

    def __init__(self, root: Path | str = POWERCAP) -> None:
        super().__init__(str(root))

    def open(self, clock: Clock) -> RaplReader:
        """Open all zones."""
        return RaplReader(Path(*self.arguments))


class RaplReader:
    """Joules of all packages and their memory since opening."""

    device = "cpu"
    ticks = True
    # Intel publishes no tolerance.
    relative_uncertainty = None
    flags = ("whole_machine: RAPL counts everything that runs on the CPU, not this process alone",)

    def __init__(self, root: Path) -> None:
        self._microjoules = 0
        self._zones = _find_zones(root)
        if not self._zones:
            raise MeterError(
                f"rapl_not_found: {root} shows no RAPL package zone; it needs a bare-metal Intel or AMD machine "
                "with the kernel module intel_rapl_msr."
            )
        for zone in self._zones:
            zone.last_uj = _read_integer(zone.counter)

    def read(self) -> float:
        """Joules since opening, wrap-around undone: call it at least once per wrap, minutes at full load."""
        for zone in self._zones:
            now = _read_integer(zone.counter)
            step = now - zone.last_uj
            if step < 0:
                step += zone.range_uj
            if step < 0:
                raise MeterError(f"counter_backwards: the RAPL zone {zone.name} fell by more than its range.")
            self._microjoules += step
            zone.last_uj = now
        return self._microjoules / 1e6

    def conditions(self) -> Conditions:
        """RAPL tells nothing but energy."""
        return Conditions()

    def close(self) -> None:
        """Nothing is held open."""


def _find_zones(root: Path) -> list[_Zone]:
    zones: list[_Zone] = []
    drivers: dict[tuple[str, str], str] = {}
    # The mirror comes last, so that a package that was found stays.
    for path in sorted(root.glob("intel-rapl*:*"), key=lambda path: ("mmio" in path.name, path.name)):
        driver, place, *inside = path.name.split(":")
        name = _name(path)
        if not (name.startswith("package") or name == "dram"):
            continue
        # Each driver numbers its zones anew: a package is known by its name alone.
        package = _name(root / f"{driver}:{place}") if inside else name
        if drivers.setdefault((package, name), driver) == driver:
            zones.append(_Zone(name, path / "energy_uj", _read_integer(path / "max_energy_range_uj")))
    return zones


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


def _read_integer(path: Path) -> int:
    try:
        return int(path.read_text())
    except PermissionError:
        raise MeterError(
            f"no_permission: {path} is readable by root alone (Linux 5.10 and newer); "
            "run as root, or let an administrator allow reading it."
        ) from None
    except (OSError, ValueError) as error:
        raise MeterError(f"rapl_not_readable: {path}: {error}") from None
