"""Passwords of Redis URLs stay out of what people read."""

import pytest

from redis_tasks import conf
from redis_tasks.conf import redacted_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://:secret@h:1/0", "redis://:***@h:1/0"),
        ("rediss://user:secret@h", "rediss://user:***@h"),
        ("redis://secret@h", "redis://***@h"),
        ("redis://u:se/cr@et@h/0", "redis://u:***@h/0"),
        ("redis://u:se?cr#et@h", "redis://u:***@h"),
        ("u:secret@h", "u:***@h"),
        ("u:se://cret@h", "u:***@h"),
        ("redis+sentinel://a/s?sentinel_password=secret&db=1", None),
        ("redis://h?db=1&PASSWORD=secret", "redis://h?db=1&PASSWORD=***"),
        ("", ""),
        ("nonsense\n@\n", "***@\n"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str | None) -> None:
    expected = "redis+sentinel://a/s?sentinel_password=***&db=1" if shown is None else shown

    assert redacted_url(url) == expected


def test_a_text_is_shown_without_the_password_of_the_url() -> None:
    with conf.settings.override(REDIS_URL="redis://user:p%40ss@h?sentinel_password=other"):
        shown = conf.without_password("as p%40ss or p@ss, by user or other")

    assert shown == "as *** or ***, by user or ***"


def test_a_url_without_password_hides_nothing() -> None:
    with conf.settings.override(REDIS_URL="redis://h"):
        assert conf.without_password("Error 111 at h") == "Error 111 at h"
