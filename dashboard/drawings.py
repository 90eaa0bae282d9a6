"""Work out where the parts of a drawing stand: timelines, lanes, strips, graphs.

Positions along time are percent of the width, so that a drawing fits any screen without a script.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from dashboard.shapes import Bar, HistoryPage, Lane, Segment

STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
        *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
        *(86400 * days for days in (1, 2, 7, 14, 28, 91, 365)),
    )
)
FINEST = 0.12  # percent of the width: bars of one state that are closer than that are drawn as one
MOST_DRAWN = 4_000  # bars
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Scale:
    """Time from *start* to *end*, drawn over the whole width."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return max(self.end - self.start, MILLISECOND)

    def at(self, moment: datetime) -> float:
        """Return where a moment is, in percent; 0 or 100 for what lies outside."""
        percent = 100 * ((moment - self.start) / self.length)
        return round(min(100.0, max(0.0, percent)), 3)


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment that the scale names."""

    at: float
    label: str


def ticks(scale: Scale, zone: tzinfo, most: int = 8) -> list[Tick]:
    """Return at most *most* round moments of a scale, by the clock of *zone*."""
    step = next((step for step in STEPS if scale.length <= most * step), scale.length)
    midnight = scale.start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + -((midnight - scale.start) // step) * step
    moments = [first + number * step for number in range(most + 2)]
    return [
        Tick(scale.at(moment), _tick_label(moment, step))
        for moment in moments
        if scale.start <= moment <= scale.end
    ]


def _tick_label(moment: datetime, step: timedelta) -> str:
    if step >= timedelta(days=1) or (step >= timedelta(hours=1) and not moment.hour):
        return f"{moment.day} {moment:%b}"
    if step >= timedelta(minutes=1):
        return f"{moment:%H:%M}"
    if step >= timedelta(seconds=1):
        return f"{moment:%H:%M:%S}"
    return f"{moment:%S}.{moment.microsecond // 1000:03} s"


# ---- The runs of one task


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a task's life with its place on the timeline."""

    at: float
    width: float
    segment: Segment
    seconds: float


def timeline(segments: Sequence[Segment], now: datetime) -> tuple[Scale, list[Piece]] | None:
    """Return the parts of a task's life to scale; None for a task of which none is known."""
    if not segments:
        return None
    ends = [segment.ended_at or now for segment in segments]
    scale = Scale(min(segment.started_at for segment in segments), max(ends))
    return scale, [
        Piece(
            scale.at(segment.started_at),
            round(scale.at(end) - scale.at(segment.started_at), 3),
            segment,
            max(0.0, (end - segment.started_at).total_seconds()),
        )
        for segment, end in zip(segments, ends, strict=True)
    ]


# ---- Who ran what


@dataclass(frozen=True, slots=True)
class Block:
    """One bar of a lane, or several that are too close to be told apart: *bar* is the first."""

    at: float
    width: float
    status: str
    bar: Bar
    number: int
    start: datetime
    end: datetime


def lanes(page: HistoryPage) -> list[tuple[Lane, list[Block]]]:
    """Return the bars of each lane; what is too fine for a screen is drawn together."""
    scale = Scale(page.start, page.end)
    finest, total = FINEST, sum(len(lane.bars) for lane in page.lanes)
    if total > MOST_DRAWN:
        finest *= total / MOST_DRAWN
    return [(lane, _blocks(lane.bars, scale, page.taken_at, finest)) for lane in page.lanes]


@dataclass(slots=True)
class _Open:
    """A block that may grow: of thousands of bars there are few of them."""

    left: float
    right: float
    bar: Bar
    number: int
    end: datetime

    def as_block(self) -> Block:
        left, width = round(self.left, 3), round(self.right - self.left, 3)
        bar = self.bar
        return Block(left, width, bar.status, bar, self.number, bar.started_at, self.end)


def _blocks(bars: Iterable[Bar], scale: Scale, now: datetime, finest: float) -> list[Block]:
    blocks: list[_Open] = []
    last: dict[str, _Open] = {}
    # In plain numbers, since there are thousands of them: percent from seconds.
    begin, factor = scale.start.timestamp(), 100 / scale.length.total_seconds()
    for bar in bars:
        end = bar.ended_at or now
        left = min(100.0, max(0.0, (bar.started_at.timestamp() - begin) * factor))
        right = min(100.0, max(left, (end.timestamp() - begin) * factor))
        block = last.get(bar.status)
        if block is not None and _is_close(block, left, right, finest):
            block.right = max(block.right, right)
            block.end = max(block.end, end)
            block.number += 1
        else:
            last[bar.status] = _Open(left, right, bar, 1, end)
            blocks.append(last[bar.status])
    return [block.as_block() for block in blocks]


def _is_close(block: _Open, left: float, right: float, finest: float) -> bool:
    # A bar that can be seen by itself stays by itself.
    is_fine = right - left < finest and (block.number > 1 or block.right - block.left < finest)
    return is_fine and left - block.right < finest
