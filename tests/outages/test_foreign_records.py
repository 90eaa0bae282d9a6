"""Somebody else has written into Redis: bad records fail or are passed over, the worker lives."""

from pathlib import Path

import pytest

from redis_tasks import DeserializationError, Queue, Task, keys
from redis_tasks.conf import connection
from redis_tasks.registries import failed_task_registry
from tests.conftest import StartWorker
from tests.outages.watching import starts, wait_for_status
from tests.support.actions import act
from tests.support.ledger import Ledger
from tests.support.process_table import exists
from tests.support.waiting import wait_until

FUNCTION = "tests.support.actions.act_once"
NO_ARGUMENTS = b"[[],{}]"
Value = str | bytes | int


def write(task_id: str, **fields: Value) -> Task:
    """Put a record of any content into the default queue by hand."""
    # A field of b"" is left out.
    connection.hset(
        keys.task(task_id), mapping={name: value for name, value in fields.items() if value != b""}
    )
    connection.zadd(keys.queue("default"), {task_id: 1})
    connection.sadd(keys.queues(), "default")
    connection.rpush(keys.wake("default"), "1")
    return Task.from_record(task_id, {})


def whole(**changes: Value) -> dict[str, Value]:
    """Return the fields of a good record, some of them changed."""
    fields: dict[str, Value] = {
        "st": "queued",
        "q": "default",
        "fn": FUNCTION,
        "args": NO_ARGUMENTS,
        "enq": 1,
        "to": 60,
        "seq": 1,
    }
    return fields | changes


UNDECODABLE = [
    b"not json",
    b"\x80\x04\x95 a pickle",
    b"[[],{}",
    b"[" * 100_000,
    b"[[],{}]" + b" " * 10 + b"x",
    b'{"args": []}',
    b"[[], []]",
    b'[["\xff"],{}]',
    b"[[NaN],{}]",
    b"null",
]


@pytest.mark.parametrize("raw", UNDECODABLE, ids=range(len(UNDECODABLE)))
def test_arguments_that_cannot_be_decoded_fail_the_task_and_are_kept(
    raw: bytes, start_worker: StartWorker, ledger: Ledger
) -> None:
    task = write("strange", **whole(args=raw))
    listed = Queue().get_tasks()[0]
    worker = start_worker()

    wait_for_status("failed", task)

    task.refresh()
    assert task.failure_reason == "undecodable"
    assert "DeserializationError" in str(task.error_message)
    assert connection.hget(keys.task("strange"), "args") == raw
    with pytest.raises(DeserializationError) as caught:
        _ = task.args
    assert caught.value.raw_data == raw
    for shown in (listed, task, *failed_task_registry.get_tasks()):
        assert shown.description == f"{FUNCTION}(<undecodable arguments>)"
    assert ledger.events() == []
    assert_it_still_works(worker.pid)


def assert_it_still_works(worker_pid: int) -> None:
    after = Queue().enqueue_call(act)
    wait_for_status("finished", after)
    assert exists(worker_pid)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("os.system", "not-allowed"),
        ("builtins.eval", "not-allowed"),
        ("subprocess.run", "not-allowed"),
        ("tests.support.actions.not_a_task", "not-allowed"),
        ("tests.support.actions.os.system", "not-allowed"),
        ("redis_tasks.conf.settings.configure_from_dict", "not-allowed"),
        ("importlib.import_module", "not-allowed"),
        ("antigravity.fly", "not-allowed"),
        ("no_such_module.function", "not-allowed"),
        ("tests.no_such_module.function", "unimportable"),
        ("tests.support.actions.no_such_function", "unimportable"),
        ("tests.support.actions.act.__globals__", "not-allowed"),
        ("tests.outages.middleware.Anything", "unimportable"),
        ("", "unimportable"),
        ("no dots", "unimportable"),
        ("a.b\nc", "unimportable"),
        ("../etc/passwd", "unimportable"),
        (".".join(["x"] * 5000), "unimportable"),
    ],
    ids=str,
)
def test_a_function_that_may_not_run_or_is_not_there_fails_the_task(
    function: str, reason: str, start_worker: StartWorker, tmp_path: Path, ledger: Ledger
) -> None:
    trace = tmp_path / "was run"
    task = write("strange", **whole(fn=function, args=f"[[\"touch '{trace}'\"],{{}}]"))
    worker = start_worker()

    wait_for_status("failed", task)

    task.refresh()
    assert task.failure_reason == reason
    assert task.error_message
    assert not trace.exists()
    assert_it_still_works(worker.pid)


def test_a_module_is_not_imported_only_because_a_record_names_it(
    start_worker: StartWorker, tmp_path: Path, ledger: Ledger
) -> None:
    trace = tmp_path / "was imported"
    (tmp_path / "innocent.py").write_text(f"open({str(trace)!r}, 'w')\ndef function(): pass\n")
    task = write("strange", **whole(fn="innocent.function"))

    start_worker(environment={"PYTHONPATH": str(tmp_path)})

    wait_for_status("failed", task)
    task.refresh()
    assert task.failure_reason == "not-allowed"
    assert not trace.exists()


def test_task_modules_alone_decide_where_they_are_set(
    start_worker: StartWorker, tmp_path: Path, ledger: Ledger
) -> None:
    marked = write("marked", **whole(fn=FUNCTION))
    start_worker(TASK_MODULES=["tests.support.slow_module"])
    wait_for_status("failed", marked)
    marked.refresh()
    assert marked.failure_reason == "not-allowed"

    start_worker("others", TASK_MODULES=["tests.support.actions"])
    connection.zadd(keys.queue("others"), {"unmarked": 1})
    connection.hset(
        keys.task("unmarked"),
        mapping=whole(q="others", fn="tests.support.actions.not_a_task"),
    )
    wait_for_status("finished", Task.from_record("unmarked", {}))


LACKING = {
    "function": ({"fn": b""}, "failed"),
    "arguments": ({"args": b""}, "failed"),
    "time limit": ({"to": b""}, "finished"),
    "place in the order": ({"seq": b""}, "finished"),
    "queue": ({"q": b""}, "finished"),
    "moment of enqueueing": ({"enq": b""}, "finished"),
    "all but its status": (dict.fromkeys(("q", "fn", "args", "enq", "to", "seq"), b""), "failed"),
    "sense in its numbers": (
        {"run": "x", "try": "1e9", "crash": "many", "rel": "-1", "seq": "0x1", "enq": "now"},
        "finished",
    ),
    "a sensible time limit": ({"to": "soon"}, "finished"),
    "a finite time limit": ({"to": "nan"}, "finished"),
    "text that can be decoded": ({"fn": b"\xff\xfe.\x80"}, "failed"),
}


@pytest.mark.parametrize(("changes", "end"), LACKING.values(), ids=LACKING.keys())
def test_a_record_that_lacks_something_comes_to_an_end(
    changes: dict[str, Value], end: str, start_worker: StartWorker, ledger: Ledger
) -> None:
    task = write("strange", **whole(**changes))
    before = [(listed.id, listed.description) for listed in Queue().get_tasks()]
    worker = start_worker()

    wait_for_status(end, task)

    task.refresh()
    assert len(before) == 1
    assert repr(task)
    assert_it_still_works(worker.pid)


@pytest.mark.parametrize("kind", ["text", "list", "nothing", "unknown status"])
def test_an_id_without_a_record_is_passed_over(
    kind: str, start_worker: StartWorker, ledger: Ledger
) -> None:
    if kind == "text":
        connection.set(keys.task("strange"), "not a hash")
    elif kind == "list":
        connection.rpush(keys.task("strange"), "not a hash")
    elif kind == "unknown status":
        connection.hset(keys.task("strange"), mapping=whole(st="parked"))
    connection.zadd(keys.queue("default"), {"strange": 1})
    good = Queue().enqueue_call(act)
    listed = [task.id for task in Queue().get_tasks()]

    worker = start_worker()

    wait_for_status("finished", good)
    assert good.id in listed
    assert starts(ledger, [good]) == [1]
    assert Queue().count() == 0
    assert_it_still_works(worker.pid)


def test_names_that_are_no_text_do_not_end_the_worker(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    connection.sadd(keys.queues(), b"\xff\xfe", "a\nb")
    connection.hset(f"{keys.task('')}".encode() + b"\xff", mapping=whole())
    connection.zadd(keys.queue("default"), {b"\xff": 1})
    connection.zadd(keys.leases("default"), {b"\xfe": 1})
    connection.zadd(keys.workers(), {b"\xfd": 1})

    worker = start_worker()

    assert_it_still_works(worker.pid)
    wait_until(lambda: not connection.zcard(keys.leases("default")))
    assert_it_still_works(worker.pid)
    assert "Workhorse failed" not in worker.text()


@pytest.mark.parametrize("key", ["queue", "registry"])
def test_a_key_of_the_wrong_type_does_not_end_the_worker(
    key: str, start_worker: StartWorker, ledger: Ledger
) -> None:
    names = {"queue": keys.queue("default"), "registry": keys.registry(keys.FINISHED)}
    connection.set(names[key], "not what it should be")
    worker = start_worker("default", "others")

    worker.wait_line("WRONGTYPE")
    connection.delete(names[key])

    assert_it_still_works(worker.pid)
