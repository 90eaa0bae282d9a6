"""Say of a figure what was wanted, what was measured, whether that is enough."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    target: str
    measured: str
    met: bool


def at_least(what: str, limit: float, value: float, unit: str = "") -> Figure:
    return Figure(
        what, f"at least {_text(limit)}{unit}", _text(value) + unit, _shown(value) >= limit
    )


def at_most(what: str, limit: float, value: float, unit: str = "") -> Figure:
    return Figure(
        what, f"at most {_text(limit)}{unit}", _text(value) + unit, _shown(value) <= limit
    )


def _shown(value: float) -> float:
    # A figure is judged as it is shown, to three digits.
    return float(f"{value:.3g}")


def _text(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(figures: Iterable[Figure]) -> str:
    """Return the lines as Markdown."""
    lines = ["| what | target | measured | met |", "|---|---|---|---|"]
    for one in figures:
        met = "yes" if one.met else "**no**"
        lines.append(f"| {one.what} | {one.target} | {one.measured} | {met} |")
    return "\n".join(lines) + "\n"
