"""No page, no answer of the API shows the value of a secret argument."""

from flask import Flask
from flask.testing import FlaskClient

from redis_tasks import Queue, TWorker, redis_task
from redis_tasks.contrib.graph import chain


@redis_task(secret_args=["token"])
def sign_in(user: str, token: str) -> None:
    if user == "ada":
        raise PermissionError(f"{user} may not use {token}")


def addresses(app: Flask, tasks: list[str], graph: str) -> list[str]:
    """Return those of all pages and answers that may be about these tasks."""
    found = [str(rule) for rule in app.url_map.iter_rules() if not rule.arguments]
    found += ["/queue/alpha", "/api/queues/alpha", f"/graph/{graph}", f"/api/graphs/{graph}"]
    for task in (f"{kind}/{task_id}" for task_id in tasks for kind in ("/task", "/api/tasks")):
        found += [task, f"{task}/arguments", f"{task}/error", f"{task}/meta"]
    return found


def test_a_secret_is_nowhere_to_be_seen(app: Flask, web: FlaskClient) -> None:
    alpha = Queue("alpha")
    long = "hunter2" * 1000
    failed = alpha.enqueue_call(sign_in, ["ada", "hunter2"])
    finished = alpha.enqueue_call(sign_in, ["bob"], {"token": long})
    graph = chain([{"func": sign_in, "args": ["ada", "hunter2"], "queue": "alpha"}] * 2)
    graph.enqueue()
    TWorker(["alpha"]).run(raise_on_failure=False)
    waiting = alpha.enqueue_call(sign_in, ["eve", "hunter2"])
    tasks = [failed.id, finished.id, waiting.id, graph.nodes[0].task_id]

    answers = {
        address: web.get(address).get_data(as_text=True)
        for address in addresses(app, tasks, graph.id)
    }

    assert [address for address, text in answers.items() if "hunter2" in text] == []
    assert "ada may not use [redacted]" in answers[f"/api/tasks/{failed.id}/error"]
    assert "[redacted]" in answers[f"/task/{waiting.id}"]
