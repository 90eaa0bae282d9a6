"""Middleware wraps a task's function, and hears of its outcome."""

import logging
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from redis_tasks import Queue, Task, TWorker, keys, redis_task
from redis_tasks.conf import connection
from redis_tasks.lifecycle import NOT_ALLOWED, UNDECODABLE, UNIMPORTABLE
from tests.conftest import StartWorker, UseSettings
from tests.support.actions import act, act_once
from tests.support.ledger import Ledger

TOLD: list[str] = []
HERE = "tests.test_middleware."


@pytest.fixture(autouse=True)
def _nothing_told(settings_for_test: dict[str, Any]) -> Iterator[None]:
    TOLD.clear()
    yield
    Telling.does = {}


class Telling:
    """Tells of each call; `does` says what else it does at a moment."""

    does: ClassVar[dict[str, Callable[[], Any]]] = {}

    def __init__(self) -> None:
        self.calls = 0
        self._do("made")

    def run_task(self, _task: Task, run: Any, args: Any, kwargs: Any) -> None:
        self.calls += 1
        TOLD.append(f"{type(self).__name__} before")
        self._do("before")
        run(*args, **kwargs)
        TOLD.append(f"{type(self).__name__} after")
        self._do("after")

    def process_outcome(self, _task: Task, kind: Any, error: Any, trace: Any) -> Any:
        self.calls += 1
        TOLD.append(f"{type(self).__name__} heard {kind and kind.__name__}")
        return self._do("outcome")

    def _do(self, moment: str) -> Any:
        name = f"{type(self).__name__} {moment}"
        return Telling.does.get(name, nothing)()


class Outer(Telling):
    pass


class Inner(Telling):
    pass


BOTH = [f"{HERE}Outer", f"{HERE}Inner"]


@redis_task()
def tell(text: str) -> None:
    TOLD.append(text)


@redis_task()
def fail(text: str) -> None:
    raise ValueError(text)


@redis_task(secret_args=["born"])
def greet(name: str, born: Any) -> None:
    TOLD.append(name)


def explode() -> None:
    raise RuntimeError("middleware")


def nothing() -> None:
    """Do nothing."""


def one_by_one(*actions: Callable[[], Any]) -> Callable[[], Any]:
    """Return what does the first of *actions* when it is called first, ..., at last nothing."""
    left = [nothing, *reversed(actions)]

    def act_next() -> Any:
        return (left.pop() if len(left) > 1 else nothing)()

    return act_next


def run_all(use: UseSettings, middleware: list[str] = BOTH) -> TWorker:
    use(MIDDLEWARE=middleware)
    worker = TWorker()
    worker.run(raise_on_failure=False)
    return worker


def test_the_first_in_the_setting_is_the_outermost(use_settings: UseSettings) -> None:
    Queue().enqueue_call(tell, ["function"])

    run_all(use_settings)

    assert TOLD[:3] == ["Outer before", "Inner before", "function"]
    assert TOLD[3:] == ["Inner after", "Outer after", "Inner heard None", "Outer heard None"]


def test_each_task_has_instances_of_its_own(use_settings: UseSettings) -> None:
    made: list[int] = []
    Telling.does["Outer made"] = lambda: made.append(1)
    Queue().enqueue_many([{"func": tell, "args": ["x"]}] * 3)

    run_all(use_settings)

    assert len(made) == 1 + 3  # one to see whether it can be made


def test_what_an_inner_layer_makes_of_an_outcome_is_what_the_outer_one_hears(
    use_settings: UseSettings,
) -> None:
    Telling.does["Inner outcome"] = explode
    Queue().enqueue_call(tell, ["x"])

    worker = run_all(use_settings)

    assert TOLD[-2:] == ["Inner heard None", "Outer heard RuntimeError"]
    assert "RuntimeError: middleware" in str(worker.failed[0].error_message)


def test_true_makes_a_success_of_a_failure(use_settings: UseSettings) -> None:
    Telling.does["Inner outcome"] = lambda: True
    Queue().enqueue_call(fail, ["x"])

    worker = run_all(use_settings)

    assert TOLD[-2:] == ["Inner heard ValueError", "Outer heard None"]
    assert [task.status for task in worker.succeeded] == ["finished"]


@pytest.mark.parametrize("moment", ["before", "after", "outcome"])
def test_middleware_that_raises_fails_the_task_at_hand_only(
    moment: str, use_settings: UseSettings
) -> None:
    Telling.does[f"Inner {moment}"] = one_by_one(explode)
    tasks = [Queue().enqueue_call(tell, ["x"]) for _ in range(2)]

    worker = run_all(use_settings)

    assert [task.id for task in worker.failed] == [tasks[0].id]
    assert [task.id for task in worker.succeeded] == [tasks[1].id]


def test_middleware_that_cannot_be_made_for_a_task_fails_it_and_those_made_hear_of_it(
    use_settings: UseSettings,
) -> None:
    Telling.does["Inner made"] = one_by_one(nothing, explode)
    Queue().enqueue_many([{"func": tell, "args": ["x"]}] * 2)

    worker = run_all(use_settings)

    assert TOLD[0] == "Outer heard RuntimeError"
    assert [len(worker.failed), len(worker.succeeded)] == [1, 1]


def spoil(task: Task, **fields: str) -> None:
    """Change a record, as another program might."""
    connection.hset(keys.task(task.id), mapping=fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"fn": "tests.test_middleware.gone"}, UNIMPORTABLE),
        ({"fn": "os.getcwd"}, NOT_ALLOWED),
        ({"args": "[[}"}, UNDECODABLE),
    ],
    ids=[UNIMPORTABLE, NOT_ALLOWED, UNDECODABLE],
)
@pytest.mark.parametrize("does", [lambda: True, explode], ids=["true", "raise"])
def test_of_a_function_that_could_not_be_called_middleware_hears_and_changes_nothing(
    fields: dict[str, str],
    reason: str,
    does: Callable[[], Any],
    use_settings: UseSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = Queue().enqueue_call(tell, ["x"])
    spoil(task, **fields)
    Telling.does["Inner outcome"] = does

    worker = run_all(use_settings)

    assert [task.failure_reason for task in worker.failed] == [reason]
    assert [told.split()[:2] for told in TOLD] == [["Inner", "heard"], ["Outer", "heard"]]
    assert "RuntimeError" not in str(worker.failed[0].error_message)
    said = f"[{task.id}] was not reported by Inner: RuntimeError: middleware"
    assert (said in caplog.text) == (does is explode)


def test_a_child_of_middleware_that_dies_at_the_stop_of_all_fails_no_task_that_has_not_begun(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act_once)
    worker = start_worker(
        MIDDLEWARE=["tests.support.middleware.TracingMiddleware"],
        environment={"RT_MIDDLEWARE": "before=child:30"},
    )
    ledger.wait_for("before", task.id)

    worker.terminate_all()

    assert worker.wait_exit() == 0
    task.refresh()
    assert (task.status, ledger.names(task.id)) == ("queued", ["before"])


def test_an_error_about_arguments_that_cannot_be_read_quotes_no_secret(
    use_settings: UseSettings,
) -> None:
    task = Queue().enqueue_call(greet, ["ada", "hunter2"])
    spoil(task, args='[["ada",{"$":["date","hunter2"]}],{}]')

    worker = run_all(use_settings)

    assert worker.failed[0].failure_reason == UNDECODABLE
    assert "some are secret" in str(worker.failed[0].error_message)
    assert "hunter2" not in str(worker.failed[0].error_message)


def test_log_context_names_the_task_in_its_lines(
    start_worker: StartWorker, ledger: Ledger
) -> None:
    task = Queue().enqueue_call(act, [["log", "halfway"], ["enqueue", "elsewhere"]])
    worker = start_worker(MIDDLEWARE=["redis_tasks.contrib.log_context.LogContext"])

    worker.wait_line(rf"{task.id}\] finished")

    label = rf"\[tests.support.actions.act {task.id}\]"
    worker.wait_line(rf"INFO\s+tests.actions: {label} halfway$")
    child = ledger.wait_for("enqueued", task.id).extra
    worker.wait_line(rf"redis_tasks.task: Task tests.support.actions.act\(\) \[{child}\] enqueued")


def test_log_context_marks_records_for_any_formatter(
    use_settings: UseSettings, caplog: pytest.LogCaptureFixture, ledger: Ledger
) -> None:
    caplog.set_level(logging.INFO)
    task = Queue("mail").enqueue_call(act, [["log", "halfway"]])
    use_settings(MIDDLEWARE=["redis_tasks.contrib.log_context.LogContext"])

    TWorker(["mail"]).run()
    logging.getLogger("tests.actions").info("later")

    halfway, later = (r for r in caplog.records if r.name == "tests.actions")
    marks = [vars(halfway)[name] for name in ("task_id", "func", "queue")]
    assert marks == [task.id, "tests.support.actions.act", "mail"]
    assert not hasattr(later, "task_id")
