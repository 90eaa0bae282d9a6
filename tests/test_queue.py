import pytest
import redis

from redis_tasks import InvalidOperation, Queue, Task, keys
from tests.conftest import UseSettings
from tests.support.actions import act
from tests.support.hand_worker import HandWorker
from tests.support.numbered import enqueue_numbers, numbers

pytestmark = pytest.mark.usefixtures("settings_for_test")

LONGEST_NAME = "ü" * 127 + "x"


# ---- Names


@pytest.mark.parametrize("name", ["default", "a b", "mail/high:1*", "écrit 郵便", LONGEST_NAME])
def test_a_queue_has_any_printable_name(name: str) -> None:
    queue = Queue(name)

    task = queue.enqueue_call(act, [1])

    assert queue.get_task_ids() == [task.id]
    assert Queue.all() == [queue]
    assert Task.fetch(task.id).origin == name


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[2J", "\u2028", "\ud800", LONGEST_NAME + "x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match="A queue's name must be printable text of 1 to 255 bytes"
    ):
        Queue(name)


def test_a_name_is_text() -> None:
    with pytest.raises(TypeError, match="must be text, not a bytes"):
        Queue(b"default")  # type: ignore[arg-type]


def test_queues_are_equal_by_name() -> None:
    assert Queue("a") == Queue("a")
    assert Queue("a") != Queue("b")
    assert Queue("a") != "a"
    assert len({Queue("a"), Queue("a"), Queue()}) == 2
    assert repr(Queue("a")) == "Queue('a')"


def test_all_queues_are_listed_by_name(redis_client: "redis.Redis") -> None:
    for name in ("b", "a"):
        Queue(name).enqueue_call(act)
    redis_client.sadd(keys.queues(), b"\xff", "not\nprintable")

    assert [queue.name for queue in Queue.all()] == ["a", "b", "\ufffd"]


# ---- Looking in


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, -1, [0, 1, 2, 3, 4]),
        (0, 2, [0, 1]),
        (3, 10, [3, 4]),
        (9, 2, []),
        (2, 0, []),
        (-2, 0, []),
        (-2, 1, [3]),
        (-2, 2, [3, 4]),
        (-2, 9, [3, 4]),
        (-2, -1, [3, 4]),
        (1, -2, [1, 2, 3]),
        (-4, -3, [1, 2]),
        (-9, 2, []),
        (0, -9, []),
    ],
)
def test_a_part_of_the_queue_is_read(offset: int, length: int, expected: list[int]) -> None:
    tasks = enqueue_numbers(5)

    ids = Queue().get_task_ids(offset, length)

    assert ids == [tasks[number].id for number in expected]
    assert numbers(Queue().get_tasks(offset, length)) == expected


# ---- Clearing out


def test_an_emptied_queue_is_still_there() -> None:
    enqueue_numbers(230)

    deleted = Queue().empty()

    assert deleted == 230
    assert Queue().count() == 0
    assert Queue.all() == [Queue()]
    assert Queue().empty() == 0


def test_a_deleted_queue_is_gone_with_its_tasks() -> None:
    tasks = enqueue_numbers(3)

    deleted = Queue().delete()

    assert deleted == 3
    assert Queue.all() == []
    assert Task.fetch_many([task.id for task in tasks]) == []


def test_a_queue_with_running_tasks_is_not_deleted() -> None:
    enqueue_numbers(2)
    HandWorker().claim()

    with pytest.raises(
        InvalidOperation, match="default cannot be deleted: 1 of its tasks are run"
    ):
        Queue().delete()

    assert Queue().count() == 1


class RefilledQueue(Queue):
    """Somebody enqueues just after it was emptied."""

    def empty(self) -> int:
        deleted = super().empty()
        enqueue_numbers(1)
        return deleted


def test_a_queue_does_not_disappear_under_those_who_fill_it() -> None:
    enqueue_numbers(1)

    with pytest.raises(InvalidOperation, match="emptied but not deleted: 1 tasks have come since"):
        RefilledQueue().delete()

    assert Queue.all() == [Queue()]


def test_a_default_time_limit_may_change_without_touching_what_waits(
    use_settings: UseSettings,
) -> None:
    task = Queue().enqueue_call(act)

    use_settings(DEFAULT_TASK_TIMEOUT=5)

    assert Task.fetch(task.id).timeout == 86400


# ---- Cancelling


def test_cancelled_tasks_leave_the_others_in_their_order() -> None:
    queue = Queue()
    tasks = [queue.enqueue_call(act, [number]) for number in range(5)]

    for task in (tasks[0], tasks[3]):
        task.cancel()

    assert queue.get_task_ids() == [tasks[1].id, tasks[2].id, tasks[4].id]
    assert queue.count() == 3
