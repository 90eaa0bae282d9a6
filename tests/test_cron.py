"""Crontabs: what their fields name, when that is, how it is said in words."""

import random
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_tasks import cron, cron_words
from tests.support.crons import DrawnCron, crons, minutes_after

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 31))


@settings(deadline=None, max_examples=150)
@given(crons(), TIMES)
def test_the_next_minute_is_the_one_that_a_scan_finds(drawn: DrawnCron, after: datetime) -> None:
    line = cron.parse(drawn.text)

    found = next((each for each in minutes_after(after, days=8) if drawn.names(each)), None)

    if found is None:
        assert line.next_after(after) > after + timedelta(days=8) - timedelta(minutes=1)
    else:
        assert line.next_after(after) == found


@settings(deadline=None, max_examples=250)
@given(crons(), TIMES)
def test_croniter_alone_finds_the_same(drawn: DrawnCron, after: datetime) -> None:
    whole_minute = after.replace(second=0, microsecond=0)
    line = cron.parse(drawn.text)

    ours = line.next_after(after)

    # By the line's own text, which spells 5-5 as 5: croniter takes that for the whole field.
    assert ours == croniter(line.text, whole_minute, ret_type=datetime).get_next()
    assert drawn.names(ours)


@settings(deadline=None, max_examples=500)
@given(st.text(max_size=40) | st.text("0123456789*/-,#?lwhr@ abcjnmo", max_size=25))
def test_whatever_the_text_it_is_understood_or_refused(text: str) -> None:
    try:
        line = cron.parse(text)
    except ValueError:
        return

    assert line.next_after(datetime(2026, 11, 23)) > datetime(2026, 11, 23)
    assert cron.parse(line.text) == line
    assert cron_words.describe(line)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("r * * * *", "drawn by chance"),
        ("R(0-10) * * * *", "drawn by chance"),
        ("* H * * *", "drawn by chance"),
        ("* h(0-3) * * *", "drawn by chance"),
        ("* * h/2 * *", "drawn by chance"),
        ("1,h * * * *", "drawn by chance"),
        ("* * * * * *", "has 6 fields"),
        ("* * * * * * 2026", "has 7 fields"),
        ("* * * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("@reboot", "none of @hourly, @daily"),
        ("@daily 5", "none of @hourly, @daily"),
        ("60 * * * *", r"the minute '60' .* 0 to 59"),
        ("*/0 * * * *", r"the minute '\*/0'"),
        ("-5 * * * *", "the minute '-5'"),
        ("* 24 * * *", r"the hour '24' .* 0 to 23"),
        ("* * 0 * *", r"the day of the month '0' .* 1 to 31"),
        ("* * mon * *", "the day of the month 'mon'"),
        ("* * * 13 *", r"the month '13' .* jan to dec"),
        ("* * * * 8", r"the day of the week '8' .* sun to sat"),
        ("* * * * mno", "the day of the week 'mno'"),
        ("* * 0-5 * *", "the day of the month '0-5'"),
        ("* * 5-0 * *", "the day of the month '5-0'"),
        ("* * * 0-0 *", "the month '0-0'"),
        ("* * * mon-fri *", "the month 'mon-fri'"),
        ("* * * * mar-mar", "the day of the week 'mar-mar'"),
        ("58-60 * * * *", "the minute '58-60'"),
        ("* * * * 0-8", "the day of the week '0-8'"),
        ("0 0 30 feb *", "never due"),
        ("0 0 31 4,6,9,11 *", "never due"),
    ],
)
def test_an_error_says_what_is_wrong(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        cron.parse(text)


@pytest.mark.parametrize("given", [None, 5, b"* * * * *", ["*"] * 5])
def test_a_crontab_is_text(given: Any) -> None:
    with pytest.raises(TypeError, match="must be text"):
        cron.parse(given)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2 4 * * mon,fri", "02  4\t* * FRI,1"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 7"),
        ("*/20 * * * *", "0,20,40 * * * *"),
        ("0 8-8 * * mon-mon", "0 8 * * mon"),
        ("0 0 * * 5-7", "0 0 * * fri,sat,sun"),
        ("0 0 * * fri-mon", "0 0 * * 0,1,5,6"),
        ("5/10 * * * *", "5-59/10 * * * *"),
        ("0 22-5/2 * * *", "0 0,2,4,22 * * *"),
        ("50-10/7 * * * *", "4,50,57 * * * *"),
        ("0 0 18-7/5 nov-mar/2 *", "0 0 2,7,18,23,28 1,3,11 *"),
        ("0 0 * * fri-1/3", "0 0 * * 1,5"),
        ("0 0 * * 7-0", "0 0 * * sun"),
        ("0 0 * * 7-7", "0 0 * * sun"),
        ("0 0 * * 7-2", "0 0 * * 0-2"),
        ("0 0 * * 0-7", "0 0 * * *"),
    ],
)
def test_two_ways_to_say_the_same_are_equal(one: str, other: str) -> None:
    assert cron.parse(one) == cron.parse(other)
    assert hash(cron.parse(one)) == hash(cron.parse(other))
    assert cron.parse(one) != cron.parse("7 7 * * *")


@pytest.mark.parametrize(
    ("text", "after", "due"),
    [
        ("0 0 29 2 *", "2026-11-23 21:00", "2028-02-29 00:00"),
        ("0 0 l * *", "2028-02-03 00:00", "2028-02-29 00:00"),
        ("0 0 * * mon#1", "2026-11-23 21:00", "2026-12-07 00:00"),
        ("0 0 15w * *", "2026-08-01 00:00", "2026-08-14 00:00"),
        ("30 12 13 * fri", "2026-11-13 12:30", "2026-11-20 12:30"),
        ("59 23 31 12 *", "2026-12-31 23:59", "2027-12-31 23:59"),
        ("*/7 5 * * *", "2026-11-23 05:56:59.999999", "2026-11-24 05:00"),
        ("0 0 29 2 mon#5", "2026-11-23 21:00", "2044-02-29 00:00"),
    ],
)
def test_a_minute_worked_out_by_hand(text: str, after: str, due: str) -> None:
    assert cron.parse(text).next_after(datetime.fromisoformat(after)) == datetime.fromisoformat(
        due
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2 4 * * mon,fri", "at 04:02 on Monday and Friday"),
        ("@daily", "at 00:00 every day"),
        ("@hourly", "every hour"),
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0 */2 * * *", "every 2 hours"),
        ("5 */2 * * *", "every 2 hours at minute 5"),
        ("5 * * * *", "at minute 5 of every hour"),
        ("1-59/2 * * * *", "at minutes 1, 3, 5, … and 59 of every hour"),
        ("*/15 9-17 * * 1-5", "every 15 minutes in hours 9 to 17 on Monday to Friday"),
        ("* 3 * * *", "every minute in hour 3"),
        ("0,30 8,12 * * *", "at 08:00, 08:30, 12:00 and 12:30 every day"),
        ("0 0 1 * *", "at 00:00 on day 1 of the month"),
        ("0 0 l 2 *", "at 00:00 on the last day of the month in February"),
        ("0 0 1,15,l * *", "at 00:00 on days 1 and 15 and the last day of the month"),
        ("0 0 13 * fri", "at 00:00 on day 13 of the month or on Friday"),
        ("0 0 1-31 * fri", "at 00:00 every day"),
        ("0 8 * 6-8 sat,sun", "at 08:00 on Saturday and Sunday in June to August"),
        ("0 0 * jul *", "at 00:00 every day in July"),
        ("0 0 * * mon#1", "as '0 0 * * mon#1' says"),
    ],
)
def test_a_crontab_is_said_in_words(text: str, words: str) -> None:
    assert cron_words.describe(cron.parse(text)) == words


def test_ten_thousand_different_crontabs_are_read_at_once() -> None:
    draw = random.Random(1)
    texts = [f"{n % 60} {n // 60 % 24} * * {n // 1440}" for n in range(10_000)]
    draw.shuffle(texts)
    begun = time.process_time()

    for text in texts:
        cron.parse(text).next_after(datetime(2026, 11, 23, 21))

    assert time.process_time() - begun < 2
