"""Turn raw figures into the table and the pictures of the documentation."""

import statistics
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

COLUMNS = (
    ("enqueue/s", "enqueue.enqueue_per_s", "{:,.0f}"),
    ("bulk enqueue/s", "enqueue.bulk_per_s", "{:,.0f}"),
    ("no-op/s", "noop.per_s", "{:,.0f}"),
    ("worker CPU µs a no-op", "noop.cpu_us", "{:,.0f}"),
    ("server CPU µs a no-op", "noop.server_us", "{:,.0f}"),
    ("5 ms naps/s at 8", "nap.per_s", "{:,.0f}"),
    ("pick-up p50 ms", "latency.p50_ms", "{:.2f}"),
    ("p99 ms", "latency.p99_ms", "{:.1f}"),
    ("connections at 1", "idle_1.idle_connections", "{:.0f}"),
    ("at 8", "idle_8.idle_connections", "{:.0f}"),
    ("bytes a queued task", "enqueue.bytes_queued", "{:,.0f}"),
    ("idle MB at 1", "idle_1.idle_mb", "{:.0f}"),
    ("at 8", "idle_8.idle_mb", "{:.0f}"),
)
PICTURES = {
    "throughput": ("No-op tasks a second", "noop.per_s", "{:,.0f}"),
    "naps": ("5 ms tasks a second, 8 slots", "nap.per_s", "{:,.0f}"),
    "pick-up": ("Enqueue to first line, median ms", "latency.p50_ms", "{:.2f}"),
}
STYLE = (
    "<style>text{font:14px system-ui,sans-serif;fill:#333}rect{fill:#9aa5b1}"
    ".own{fill:#b4412f}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>"
)
BAR, GAP, LABEL, WIDTH = 22, 8, 260, 860


def median(rounds: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = [one[key] for one in rounds if isinstance(one.get(key), int | float)]
    return statistics.median(values) if values else None


def table(results: Mapping[str, Any]) -> str:
    """Return the table in Markdown, medians of all rounds."""
    heads = ["contestant", "guarantee", *(title for title, _, _ in COLUMNS)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for one in results["contestants"].values():
        if "not_installed" in one:
            lines.append(f"| {one['title']} | could not be installed |" + " |" * len(COLUMNS))
            continue
        cells = [
            "n/a" if (value := median(one["rounds"], key)) is None else form.format(value)
            for _, key, form in COLUMNS
        ]
        lines.append("| " + " | ".join([one["title"], one["guarantee"], *cells]) + " |")
    return "\n".join(lines) + "\n"


def entrants(results: Mapping[str, Any]) -> str:
    """Return who took part with which versions and settings, in Markdown."""
    lines = ["| contestant | versions | settings |", "|---|---|---|"]
    for one in results["contestants"].values():
        about = [one["title"], one.get("versions", "none"), one.get("settings", "none")]
        lines.append("| " + " | ".join(about) + " |")
    return "\n".join(lines) + "\n"


def pictures(results: Mapping[str, Any]) -> dict[str, str]:
    """Return SVG bar charts by name."""
    return {name: _bars(results, *what) for name, what in PICTURES.items()}


def _bars(results: Mapping[str, Any], title: str, key: str, form: str) -> str:
    bars = [
        (one["title"], value)
        for one in results["contestants"].values()
        if (value := median(one.get("rounds", ()), key)) is not None
    ]
    most = max((value for _, value in bars), default=1.0)
    height = 40 + len(bars) * (BAR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        STYLE,
        f'<text x="0" y="18" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(bars):
        y = 32 + number * (BAR + GAP)
        length = max(1.0, value / most * (WIDTH - LABEL - 90))
        own = ' class="own"' if name.startswith("redis_tasks") else ""
        parts += [
            f'<text x="{LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>',
            f'<rect{own} x="{LABEL}" y="{y}" width="{length:.0f}" height="{BAR}" rx="3"/>',
            f'<text x="{LABEL + length + 6:.0f}" y="{y + 16}">{form.format(value)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
