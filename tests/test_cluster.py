"""Redis Cluster: all keys are in one slot, and the node that has it is the one that is used."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from development.ports import free_port
from redis_tasks import EnqueueFailed, Queue, SettingsError, Task, TWorker
from redis_tasks.conf import connection, settings
from redis_tasks.contrib.graph import TaskGraph, chain
from redis_tasks.exchange import Bell, Exchange
from redis_tasks.registries import finished_task_registry, queue_registry
from redis_tasks.store import client, graph_scripts, schedule_scripts, scripts
from redis_tasks.store.schedule_scripts import MICROSECOND, TickCall
from redis_tasks.store.scripts import NewTask, Settlement
from redis_tasks.worker import Worker
from tests.conftest import StartProxy, StartServer, StartWorker
from tests.support.actions import act
from tests.support.certificates import Certificates
from tests.support.ledger import Ledger
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

PREFIX = "{redis_tasks}"
SLOTS = 16384

StartNode = Callable[[], RedisServer]


@pytest.fixture
def start_node(start_redis: StartServer) -> StartNode:
    """Start a node that as yet has no slots."""

    def start() -> RedisServer:
        options = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
        return start_redis(tcp=True, options=options)

    return start


@pytest.fixture
def node(start_node: StartNode, settings_for_test: dict[str, Any]) -> Iterator[RedisServer]:
    """The only node of the cluster that the settings name."""
    node = start_node()
    with node.client() as plain:
        plain.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
        wait_until(lambda: is_up(plain), 20)
    url = f"redis+cluster://localhost:{node.port}"
    settings_for_test |= {"REDIS_URL": url, "REDIS_PREFIX": PREFIX}
    with settings.override(REDIS_URL=url, REDIS_PREFIX=PREFIX):
        connection.reset()
        settings.validate()
        yield node
        connection.reset()


def is_up(plain: "redis.Redis") -> bool:
    return bool(plain.cluster("INFO")["cluster_state"] == "ok")


def new(task_id: str, *, reentrant: bool = True) -> NewTask:
    return NewTask(task_id, "module.function", b"[[],{}]", reentrant=reentrant, timeout=60)


def test_every_script_runs_on_a_node_of_a_cluster(node: RedisServer) -> None:
    run = client.run
    ids = ["finishing", "crashing", "cancelled", "drained"]

    assert run(scripts.register("s", "description", ["default"], 2)) is not None
    assert run(scripts.enqueue("default", [new(i) for i in ids])).words == ("new",) * 4
    claimed = run(scripts.claim("s", 1, ["default"], ["s#1", "s#2"])) or []
    assert [found.task_id for found in claimed] == ids[:2]
    fences = [(found.task_id, found.worker_id, found.run) for found in claimed]
    assert run(scripts.renew("s", fences)).words == ("ok", "ok")
    assert run(scripts.save_meta(*fences[0], b'"meta"')) == "saved"
    settled = run(scripts.settle([Settlement(*fences[0], "finish")]))
    assert [one.word for one in settled] == ["finished"]
    assert run(scripts.recover("default")) in (None, [])
    assert run(scripts.cancel("cancelled")) == "cancelled"
    assert run(scripts.wake("default")) is not None
    assert run(scripts.drain("default")) == 1
    assert run(scripts.delete(["finishing", "crashing"])) == ["deleted", "running"]
    assert run(scripts.expire("finished", 0)) == 0
    assert run(scripts.forget_queue("default")) == (0, 1)
    assert run(schedule_scripts.lead("scheduler", "description")).mine
    [done] = run(schedule_scripts.adopt("scheduler", 1, [("entry", "fingerprint", 60)])) or []
    tick = TickCall("entry", done + MICROSECOND, "always", 0, 60, "ticks", new("ticked"))
    ticked = run(schedule_scripts.tick("scheduler", 1, [tick]))
    assert ticked is not None
    assert ticked.words == ("new",)
    assert run(schedule_scripts.resign("scheduler", 1)) == 1
    assert run(scripts.bury()) == []
    assert run(scripts.retire("s")) is not None


def test_a_graph_runs_on_a_node_of_a_cluster(node: RedisServer, ledger: Ledger) -> None:
    graph = chain([{"func": act}, {"func": act}])
    graph.enqueue()

    TWorker().run()

    assert TaskGraph.fetch(graph.id).counts() == {"finished": 2}
    assert client.run(graph_scripts.forget_graphs(-1)) == 1


def test_what_a_dead_worker_had_is_recovered(node: RedisServer) -> None:
    client.run(scripts.enqueue("default", [new("again"), new("once", reentrant=False)]))
    client.run(scripts.register("s", "", ["default"], 2))
    client.run(scripts.claim("s", 1, ["default"], ["s#1", "s#2"]))

    recovered = wait_until(lambda: client.run(scripts.recover("default")), 20) or []

    assert [(found.task_id, found.word) for found in recovered] == [
        ("again", "queued"),
        ("once", "failed"),
    ]


def test_queues_tasks_and_registries_work(node: RedisServer, ledger: Ledger) -> None:
    queue = Queue()
    tasks = queue.enqueue_many([{"func": act} for _ in range(3)])
    tasks[1].cancel()
    tasks[0].meta["seen"] = True
    tasks[0].save_meta()

    assert queue.get_task_ids() == [tasks[0].id, tasks[2].id]
    assert [task.meta for task in queue.get_tasks()] == [{"seen": True}, {}]
    assert queue_registry.get_names() == ["default"]
    TWorker().run()
    assert set(finished_task_registry.get_task_ids()) == {tasks[0].id, tasks[2].id}
    assert Task.delete_many([task.id for task in tasks]) == 2
    queue.delete()
    assert Queue.all() == []


def test_a_worker_runs_tasks_in_a_cluster(
    node: RedisServer, start_worker: StartWorker, ledger: Ledger
) -> None:
    worker = start_worker("--concurrency", "2")

    tasks = [Queue().enqueue_call(act) for _ in range(5)]

    for task in tasks:
        ledger.wait_for("end", task.id)
    assert [found.description for found in Worker.all()] != []
    worker.terminate()
    assert worker.wait_exit() == 0


@pytest.mark.parametrize(
    "prefix", ["redis_tasks", "{}redis_tasks", "redis_tasks{", "{redis_tasks"]
)
def test_a_prefix_that_is_no_hash_tag_is_refused(prefix: str) -> None:
    url = "redis+cluster://localhost:6379"

    with (
        settings.override(REDIS_URL=url, REDIS_PREFIX=prefix),
        pytest.raises(SettingsError, match=r"REDIS_PREFIX.*hash tag"),
    ):
        settings.validate()


def is_armed(bell: Bell) -> bool:
    bell.arm(float("inf"))
    return bell.armed


def test_all_go_to_the_node_to_which_the_slot_has_moved(
    node: RedisServer, start_node: StartNode
) -> None:
    other = start_node()
    exchange = Exchange("test")
    bell = Bell(exchange.server, ["default"])
    assert exchange.talk([scripts.bury()]) == [[]]
    assert connection.ping()
    Queue().enqueue_call(act)

    move_slot(node, other)

    moved = Queue().enqueue_call(act)
    wait_until(lambda: exchange.talk([scripts.bury()]) == [[]])
    wait_until(lambda: is_armed(bell))
    wait_until(lambda: reads(moved))
    assert {exchange.wire.connection.port, bell.wire.connection.port} == {other.port}
    exchange.close()
    bell.close()


def reads(task: Task) -> bool:
    try:
        return Queue().get_task_ids() == [task.id]
    except redis.RedisError:
        return False


def move_slot(node: RedisServer, other: RedisServer) -> None:
    """Make *other* the owner of our slot, and both know it; what *node* stores is lost."""
    with node.client() as old, other.client() as new_owner:
        old.execute_command("CLUSTER MEET", "127.0.0.1", other.port, other.options["cluster-port"])
        wait_until(lambda: new_owner.cluster("INFO")["cluster_known_nodes"] == "2", 20)
        wait_until(lambda: is_up(new_owner), 20)
        owner = new_owner.execute_command("CLUSTER MYID")
        old.flushall()
        for one in (new_owner, old):
            one.execute_command("CLUSTER SETSLOT", key_slot(PREFIX.encode()), "NODE", owner)


def test_a_cluster_without_an_owner_of_the_slot_is_out_of_reach(
    node: RedisServer,
) -> None:
    with node.client() as plain:
        plain.execute_command("CLUSTER FLUSHSLOTS")

    with pytest.raises(EnqueueFailed, match="CLUSTER"):
        Queue().enqueue_call(act)


def test_a_node_that_is_gone_leaves_time_for_the_next(node: RedisServer) -> None:
    url = f"redis+cluster://127.0.0.1:1,localhost:{node.port}"

    with settings.override(REDIS_URL=url):
        assert Queue().enqueue_call(act).status == "queued"


def test_a_cluster_over_tls_with_a_login(
    start_node: StartNode,
    start_proxy: StartProxy,
    certificates: Certificates,
    settings_for_test: dict[str, Any],
) -> None:
    node = start_node()
    proxy = start_proxy(node.socket, tls=certificates.signed)
    with node.client() as plain:
        plain.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
        plain.config_set("cluster-announce-port", proxy.port)
        plain.acl_setuser(
            "app", enabled=True, passwords=["+word"], keys=["*"], categories=["+@all"]
        )
        wait_until(lambda: is_up(plain), 20)
    values = {
        "REDIS_URL": f"rediss+cluster://app:word@localhost:{proxy.port}",
        "REDIS_PREFIX": PREFIX,
        "REDIS_TLS_VERIFY": str(certificates.ca_file),
    }

    with settings.override(**values):
        task = Queue().enqueue_call(act)
        found = Task.fetch(task.id)
        connection.reset()

    assert found.status == "queued"
