"""What must be true of Redis after every step, whatever was done: judged without the model."""

from tests.support.store_model import MOST_TOKENS, World
from tests.support.store_records import Limits
from tests.support.store_view import View


def check(view: View, ghosts: set[str], limits: Limits) -> None:
    assert not view.unknown, f"unknown keys: {view.unknown}"
    _check_places(view, ghosts)
    _check_counts(view, limits)
    _check_slots(view)
    for queue, tokens in view.tokens.items():
        waiting = len(view.queues.get(queue, {}))
        assert tokens <= min(MOST_TOKENS, waiting), f"{tokens} tokens for {waiting} in {queue}"
    for name, kept in view.registries.items():
        bytes_kept = sum(int(view.tasks[id_]["sz"]) for id_ in kept)
        assert int(view.totals.get(name, 0)) == bytes_kept, f"bytes of {name} are miscounted"


def _check_places(view: View, ghosts: set[str]) -> None:
    """Each task is in one place, the one that its record names."""
    places: dict[str, list[str]] = {id_: [] for id_ in view.tasks}
    for queue, waiting in view.queues.items():
        for id_ in waiting.keys() - ghosts:
            places.setdefault(id_, []).append(f"queued in {queue}")
    for queue, running in view.leases.items():
        for id_ in running:
            places.setdefault(id_, []).append(f"running in {queue}")
    for registry, kept in view.registries.items():
        for id_ in kept:
            places.setdefault(id_, []).append(registry)
    for id_, found in places.items():
        record = view.tasks.get(id_, {"st": "gone"})
        place = record["st"]
        if place in ("queued", "running"):
            place = f"{place} in {record['q']}"
            assert record["q"] in view.names, f"queue {record['q']} is not listed"
        assert found == [place], f"{id_} says {place}, but is {found}"


def _check_counts(view: View, limits: Limits) -> None:
    for id_, record in view.tasks.items():
        if record["st"] in ("queued", "running"):
            assert int(record.get("crash", 0)) < limits.crashes, f"{id_} is poison"
            assert int(record.get("rel", 0)) <= limits.releases, f"{id_} is unstartable"
        attempts, runs = int(record.get("try", record.get("run", 0))), int(record.get("run", 0))
        assert 0 <= attempts <= runs, f"{id_}: attempt {attempts} in run {runs}"


def _check_slots(view: View) -> None:
    """Each busy worker is named by its supervisor, with the task that it runs."""
    for host_id, host in view.hosts.items():
        for name, value in host.items():
            if not name.startswith(f"{host_id}#"):
                continue
            id_, run = value.rsplit(" ", 1)
            record = view.tasks[id_]
            assert (record["st"], record["w"], record["run"]) == ("running", name, run)
    for id_, record in view.tasks.items():
        if record["st"] == "running":
            host = view.hosts[record["w"].partition("#")[0]]
            assert host.get(record["w"]) == f"{id_} {record['run']}", f"{id_} is in no slot"


def check_model(view: View, world: World) -> None:
    """Redis holds what the model holds."""
    assert view.queues == _filled(world.queues), "queues"
    assert view.leases == _filled(world.leases), "leases"
    assert view.tokens == {name: count for name, count in world.tokens.items() if count}, "wake"
    for name, kept in world.registries.items():
        assert list(view.registries[name].items()) == list(kept.items()), name
    assert view.names == world.names, "queue names"
    assert view.live == world.live, "live supervisors"
    guards = {name: f"{last} {ends}" for name, (last, ends) in world.guards.items()}
    assert view.guards == guards, "guards"
    assert view.tasks.keys() == world.tasks.keys(), "tasks"
    for id_, task in world.tasks.items():
        record = view.tasks[id_]
        found = {
            "st": record["st"],
            "q": record["q"],
            "run": int(record.get("run", 0)),
            "try": int(record.get("try", record.get("run", 0))),
            "crash": int(record.get("crash", 0)),
            "rel": int(record.get("rel", 0)),
            "w": record.get("w", ""),
            "why": record.get("why", ""),
            "lost": record.get("lost", ""),
            "cut": len(record["cut"].split(",")) if "cut" in record else 0,
            "args": record["args"].encode(),
            "meta": record.get("meta", "").encode(),
            "seq": int(record["seq"]) if "seq" in record else None,
        }
        assert found == task.shown(), id_


def _filled(places: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {name: members for name, members in places.items() if members}
