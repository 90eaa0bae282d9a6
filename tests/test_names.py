"""Ids that nobody has chosen are those of a specification, each a new one."""

import uuid

from redis_tasks.names import new_id


def test_a_new_id_is_a_random_uuid() -> None:
    ids = [new_id() for _ in range(2000)]

    read = [uuid.UUID(text) for text in ids]
    assert [str(each) for each in read] == ids
    assert {(each.version, each.variant) for each in read} == {(4, uuid.RFC_4122)}
    # Each of the other bits is set in some of them, and not in others.
    numbers = [each.int for each in read]
    fixed = 0xF << 76 | 0b11 << 62
    anywhere, everywhere = 0, (1 << 128) - 1
    for number in numbers:
        anywhere |= number
        everywhere &= number
    assert anywhere | fixed == (1 << 128) - 1
    assert everywhere & ~fixed == 0
