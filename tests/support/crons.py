"""Draw crontabs whose meaning is known without reading them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class DrawnField:
    text: str
    values: frozenset[int]
    every: frozenset[int]

    def is_star_beside(self, other: "DrawnField") -> bool:
        """Whether it leaves the choice of days to the other one: as croniter understands it."""
        return self.text == "*" or ("*" in other.text and self.values == self.every)


@dataclass(frozen=True)
class DrawnCron:
    minute: DrawnField
    hour: DrawnField
    day: DrawnField
    month: DrawnField
    weekday: DrawnField

    @property
    def text(self) -> str:
        fields = (self.minute, self.hour, self.day, self.month, self.weekday)
        return " ".join(field.text for field in fields)

    def names(self, local: datetime) -> bool:
        if local.minute not in self.minute.values or local.hour not in self.hour.values:
            return False
        is_day = local.day in self.day.values
        is_weekday = (local.weekday() + 1) % 7 in self.weekday.values
        if self.day.is_star_beside(self.weekday) or self.weekday.is_star_beside(self.day):
            is_due = is_day and is_weekday
        else:
            is_due = is_day or is_weekday
        return is_due and local.month in self.month.values


def minutes_after(local: datetime, *, days: int) -> Iterator[datetime]:
    """Yield each whole minute after a time, as many days long."""
    first = local.replace(second=0, microsecond=0) + MINUTE
    return (first + number * MINUTE for number in range(days * 1440))


@st.composite
def crons(draw: st.DrawFn) -> DrawnCron:
    return DrawnCron(
        minute=draw(fields(0, 59)),
        hour=draw(fields(0, 23)),
        # Up to 28, so that each of them is due in every month.
        day=draw(fields(1, 31, most=28)),
        month=draw(fields(1, 12, names=MONTHS)),
        weekday=draw(fields(0, 6, names=WEEKDAYS)),
    )


@st.composite
def fields(
    draw: st.DrawFn, low: int, high: int, *, names: tuple[str, ...] = (), most: int | None = None
) -> DrawnField:
    every = frozenset(range(low, high + 1))
    if draw(st.integers(0, 2)) == 0:
        return DrawnField("*", every, every)
    number = st.integers(low, most or high)

    def spelt(value: int) -> str:
        is_name = bool(names) and draw(st.integers(0, 1)) == 1
        return names[value - low] if is_name else str(value)

    texts: list[str] = []
    values: set[int] = set()
    for shape in draw(st.lists(st.sampled_from("nrswS"), min_size=1, max_size=3)):
        first, last = sorted((draw(number), draw(number)))
        step = draw(st.integers(1, high))
        if shape == "n":
            texts.append(spelt(first))
            values.add(first)
        elif shape == "r":
            texts.append(f"{spelt(first)}-{spelt(last)}")
            values |= set(range(first, last + 1))
        elif shape == "w" and first < last:  # past the field's end
            passed = [*range(last, high + 1), *range(low, first + 1)]
            texts.append(f"{spelt(last)}-{spelt(first)}/{step}")
            values |= set(passed[::step])
        elif shape == "s":
            texts.append(f"{spelt(first)}-{spelt(last)}/{step}")
            values |= set(range(first, last + 1, step))
        else:
            texts.append(f"*/{step}")
            values |= set(range(low, high + 1, step))
    return DrawnField(",".join(texts), frozenset(values), every)
