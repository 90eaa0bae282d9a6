"""What URLs hold."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.routing import Map, Rule

from dashboard.addresses import (
    NameConverter,
    changed,
    read_filter,
    read_moment,
    read_page,
    write_moment,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
URLS = Map([Rule("/task/<name:name>", endpoint="task")], converters={"name": NameConverter})


@given(st.text(min_size=1))
def test_every_name_comes_back_from_its_url(name: str) -> None:
    urls = URLS.bind("example.com")

    path = urls.build("task", {"name": name})

    assert urls.match(path) == ("task", {"name": name})
    assert path.isascii()
    assert path.count("/") == 2


@pytest.mark.parametrize("name", ["mail", "worker.1#2", "..", "a/b", "50%", "~2f"])
def test_a_name_is_one_part_that_no_router_changes(name: str) -> None:
    path = URLS.bind("example.com").build("task", {"name": name})

    assert path.removeprefix("/task/").strip("~.-_0123456789abcdefghijklmnopqrstuvwxyz") == ""
    assert not path.endswith(("/.", "/.."))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("6h", NOW - timedelta(hours=6)),
        ("2026-05-04T11:00:00.250Z", NOW - timedelta(minutes=60) + timedelta(milliseconds=250)),
        ("2026-05-04T13:00:00+02:00", NOW - timedelta(hours=1)),
        ("2026-05-04T11:00", NOW - timedelta(hours=1)),
        ("0001-01-01T00:00+14:00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_moment_is_relative_or_whole(text: str, moment: datetime | None) -> None:
    assert read_moment(text, NOW) == moment


def test_a_moment_comes_back_from_a_url() -> None:
    assert read_moment(write_moment(NOW), NOW) == NOW


def test_a_filter_takes_what_can_be_read() -> None:
    wanted = read_filter({"text": " x " * 400, "since": "never", "queue": "mail"}, NOW)

    assert len(wanted.text) <= 300
    assert wanted.since is None
    assert wanted.queue == "mail"


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("0", 1), ("-1", 1), ("\u00b2", 1), ("9" * 40, 1_000_000)]
)
def test_a_page_is_a_number_from_one(text: str, number: int) -> None:
    assert read_page({"page": text}) == number


def test_a_query_keeps_what_is_not_changed() -> None:
    assert changed({"queue": "mail", "page": "3"}, page=None) == "?queue=mail"
    assert changed({"page": "3"}, page=None) == "?"
