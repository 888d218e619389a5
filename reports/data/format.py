"""Numbers as a paper prints them: three significant digits, SI prefixes, a real minus, a thin space before the unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inflor_bench.metrics import Metric

THIN = "\u202f"
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}


def significant(value: float, digits: int = 3) -> str:
    """Plain decimal notation with `digits` significant digits: 0.0123, 1.23, 123, 1230."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    rounded = round(value, digits - 1 - exponent)
    if rounded != 0:
        exponent = math.floor(math.log10(abs(rounded)))
    return minus(f"{rounded:.{max(digits - 1 - exponent, 0)}f}")


def minus(text: str) -> str:
    """The typographic minus sign for the hyphen that Python prints."""
    return text.replace("-", "\u2212")


def si(value: float, unit: str = "") -> str:
    """Three significant digits with an SI prefix: 1.23 M, 45.6 µJ, 789 ms. A count below 1000 has no prefix."""
    if value == 0:
        return f"0{THIN}{unit}" if unit else "0"
    exponent = 3 * math.floor(math.log10(abs(float(f"{value:.2e}"))) / 3)
    if not unit and exponent < 0:
        return significant(value)
    exponent = min(max(exponent, -15), 15)
    tail = _PREFIXES[exponent] + unit
    return significant(value / 10.0**exponent) + (THIN + tail if tail else "")


def tick(value: float, unit: str = "") -> str:
    """A number at an axis: as `si`, without zeros at its end."""
    number, space, tail = si(value, unit).partition(THIN)
    return (number.rstrip("0").rstrip(".") if "." in number else number) + space + tail


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage with fixed decimals, so that a column aligns."""
    return minus(f"{100 * share:.{digits}f}") + f"{THIN}%"


def share(value: float) -> str:
    """A share as a percentage with three significant digits; the smallest as a bound."""
    if 0 < value < 0.0001:
        return f"<{THIN}0.01{THIN}%"
    return significant(100 * value) + f"{THIN}%"


def above(difference: float) -> str:
    """A difference of two shares in words: 0.51 points below."""
    if round(100 * difference, 2) == 0:
        return "level with"
    return f"{abs(100 * difference):.2f} points {'above' if difference > 0 else 'below'}"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return signed(100 * difference, 2)


def signed(value: float, digits: int) -> str:
    """Fixed decimals with an explicit sign."""
    text = f"{value:+.{digits}f}"
    return minus("0" + text[2:] if float(text) == 0 else text)


def ratio(value: float) -> str:
    """A factor: 1.04×."""
    return (f"{value:.2f}" if 0.095 <= value < 100 else significant(value, 2)) + "×"


def relative(value: float) -> str:
    """A relative change with its sign, in per cent: +3.2 %."""
    if value == 0:
        return f"0{THIN}%"
    text = significant(100 * value)
    return ("+" if value > 0 else "") + text + f"{THIN}%"


def p_value(value: float) -> str:
    """The p-value as papers print it."""
    return f"p{THIN}<{THIN}0.001" if value < 0.001 else f"p{THIN}={THIN}{value:.3f}"


def quantity(metric: Metric, value: float) -> str:
    """The value of a metric with its unit."""
    return percent(value, 2) if metric.unit == "share" else si(value, metric.symbol)


def movement(metric: Metric, before: float, after: float) -> str:
    """How a metric moved: points for shares, per cent for the rest."""
    if metric.unit == "share":
        return f"{points(after - before)} points"
    return relative(after / before - 1) if before else "from 0"


def integer(value: int) -> str:
    """A whole number with thin spaces between groups of three."""
    return minus(f"{value:,}").replace(",", THIN)


def listed(parts: Sequence[str]) -> str:
    """Parts as a list in a sentence."""
    return "".join(parts) if len(parts) < 2 else f"{', '.join(parts[:-1])} and {parts[-1]}"
