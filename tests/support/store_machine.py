"""Chooses at random what is done to the store."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redis_tasks import keys
from redis_tasks.lifecycle import MOVES
from tests.support.store_actions import QUEUES, StoreActions, Supervisor
from tests.support.store_records import Run

SETTINGS = {
    "WORKER_HEARTBEAT_TIMEOUT": 4,
    "WORKER_HEARTBEAT_FREQ": 0.5,
    "FINISHED_TASKS_MAX": 2,
    "FAILED_TASKS_MAX": 2,
    "REGISTRIES_MAX_BYTES": 1500,
    "MAX_CRASHES": 3,
    "MAX_RELEASES": 1,
}
FUNCTIONS = ["m.f"] * 5 + ["m.other"]
ARGUMENTS = [b"short", b"short", b"long" * 300]
METAS = [b"1", b"{}" * 50]
HOUR = 3_600_000
STEPS_OF_TIME = [0, 1, 700, 1_400, 1_900, 2_100, 4_100, 61_000, HOUR, -800, -HOUR]

queues = st.sampled_from(QUEUES)
hosts = st.sampled_from(["a", "b"])
moves = st.sampled_from(sorted(MOVES))
numbers = st.integers(0, 7)
replays = st.sampled_from([True, True, False])


class StoreMachine(RuleBasedStateMachine):
    """After every step, Redis and the model must agree, and the invariants hold."""

    def __init__(self) -> None:
        super().__init__()
        self.store = StoreActions()
        self.ids: list[str] = []

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        self.store.check()

    @initialize(queue=queues)
    def enqueue_some(self, queue: str) -> None:
        self.store.enqueue(queue, self.new_ids(4), FUNCTIONS[0], ARGUMENTS[0])

    @precondition(lambda self: len(self.store.world.tasks) < 12)
    @rule(
        new=st.integers(1, 3),
        known=st.lists(numbers, max_size=1),
        queue=queues,
        at_front=st.booleans(),
        func=st.sampled_from(FUNCTIONS),
        arguments=st.sampled_from(ARGUMENTS),
        replay=replays,
    )
    def enqueue(
        self,
        new: int,
        known: Sequence[int],
        queue: str,
        at_front: bool,
        func: str,
        arguments: bytes,
        replay: bool,
    ) -> None:
        ids = self.new_ids(new) + [self.some_id(number) for number in known]
        self.store.enqueue(queue, ids, func, arguments, at_front=at_front, replay=replay)

    # Supervisors

    @precondition(lambda self: self.has_waiting())
    @rule(name=hosts, count=st.integers(1, 2), then=st.sampled_from(["", "", "die", "late"]))
    def claim(self, name: str, count: int, then: str) -> None:
        supervisor = self.store.supervisors[name]
        self.store.claim(supervisor, count, replay=not then)
        if then == "die":
            self.store.begin_anew(supervisor)
        elif then == "late":
            self.store.claim_late(supervisor)

    @precondition(lambda self: self.has_waiting())
    @rule(name=hosts, move=moves, times=st.sampled_from([1, 2, 3, 3]), replay=replays)
    def work(self, name: str, move: str, times: int, replay: bool) -> None:
        """Claim and settle at once, some times; then the first of these runs speaks again."""
        supervisor = self.store.supervisors[name]
        settled: list[Run] = []
        for _ in range(times):
            self.store.claim(supervisor, 1)
            settled += list(supervisor.runs.values())[-1:]
            self.store.settle(settled[-1:], move, replay=replay)
        self.store.settle(settled[:1], move, replay=replay)

    @precondition(lambda self: self.has_busy())
    @rule(number=numbers, move=moves, replay=replays)
    def settle_all(self, number: int, move: str, replay: bool) -> None:
        supervisor = self.busy(number)
        self.store.settle(list(supervisor.runs.values()), move, replay=replay)

    @precondition(lambda self: self.store.runs)
    @rule(number=numbers, move=moves, replay=replays)
    def settle_any(self, number: int, move: str, replay: bool) -> None:
        self.store.settle([self.run(number)], move, replay=replay)

    @precondition(lambda self: self.has_waiting() or self.has_busy())
    @rule(
        name=hosts,
        back=st.sampled_from([0, HOUR]),
        move=moves,
        replay=replays,
        returns=st.sampled_from([True, True, False]),
    )
    def lose(self, name: str, back: int, move: str, replay: bool, returns: bool) -> None:
        """A supervisor does not renew, while recovery is at work; perhaps it has a late say.

        *back*: meanwhile the clock is set back by so much.
        """
        supervisor = self.store.supervisors[name]
        self.store.claim(supervisor, 2)
        for second in range(7 if back else 5):
            self.store.pass_time(1_000 - (back if second == 3 else 0))
            for queue in QUEUES:
                self.store.recover(queue, replay=replay and second == 4)
        if returns and supervisor.runs:
            self.store.settle(list(supervisor.runs.values()), move, replay=replay)

    @precondition(lambda self: self.has_busy())
    @rule(number=numbers, obeys=st.booleans(), replay=replays)
    def renew(self, number: int, obeys: bool, replay: bool) -> None:
        self.store.renew(self.busy(number), obeys=obeys, replay=replay)

    @precondition(lambda self: self.store.runs)
    @rule(number=numbers, meta=st.sampled_from(METAS), replay=replays)
    def be_an_old_run(self, number: int, meta: bytes, replay: bool) -> None:
        self.store.renew_alone(self.store.runs[-6:])
        self.store.save_meta(self.run(number), meta, replay=replay)

    # Users

    @precondition(lambda self: self.store.world.tasks)
    @rule(numbers=st.sets(st.integers(0, 10), min_size=1, max_size=2), replay=replays)
    def cancel(self, numbers: set[int], replay: bool) -> None:
        """Cancel some, and perhaps repeat their enqueueing, which must not bring them back."""
        ids = [self.some_id(number) for number in numbers]
        for id_ in ids:
            self.store.cancel(id_, replay=replay)
        if replay:
            self.store.enqueue(QUEUES[0], ids, FUNCTIONS[0], ARGUMENTS[0], replay=True)

    @precondition(lambda self: len(self.store.world.tasks) > 2)
    @rule(
        what=st.sampled_from(["delete", "delete", "meta", "empty"]), number=numbers, replay=replays
    )
    def use(self, what: str, number: int, replay: bool) -> None:
        id_ = self.some_id(number)
        match what:
            case "delete":
                self.store.delete(sorted({id_, self.some_id(number + 1)}))
            case "meta":
                self.store.save_meta((id_, "", 0), METAS[number % 2], replay=replay)
            case _:
                self.store.empty(QUEUES[number % 2], replay=replay)

    # Time, upkeep, trouble

    @rule(queue=queues, after=st.sampled_from(STEPS_OF_TIME), replay=replays)
    def recover(self, queue: str, after: int, replay: bool) -> None:
        self.store.pass_time(after)
        self.store.recover(queue, replay=replay)

    @precondition(lambda self: self.store.runs)
    @rule(what=st.sampled_from(["expire", "bury", "retire", "ring", "ghost"]), number=numbers)
    def keep_house(self, what: str, number: int) -> None:
        match what:
            case "expire":
                self.store.expire([keys.FINISHED, keys.FAILED][number % 2], number // 2)
            case "bury":
                self.store.pass_time(number * 700)
                self.store.bury()
            case "retire":
                self.store.retire(self.store.supervisors["ab"[number % 2]], replay=number > 3)
            case "ring":
                self.store.ring(QUEUES[number % 2], give_back=number > 3)
            case _:
                rank = -2 * 10**12 if number > 3 else number
                self.store.plant_ghost(QUEUES[number % 2], rank)

    # What there is to choose from

    def has_waiting(self) -> bool:
        return any(self.store.world.queues.values())

    def has_busy(self) -> bool:
        return any(each.runs for each in self.store.supervisors.values())

    def busy(self, number: int) -> Supervisor:
        busy = [each for each in self.store.supervisors.values() if each.runs]
        return busy[number % len(busy)]

    def run(self, number: int) -> Run:
        """Return one of the last runs, over or not; 0 is the last."""
        return self.store.runs[-1 - number % len(self.store.runs)]

    def some_id(self, number: int) -> str:
        """Return the id of a task, a running one if there is, or one that is gone."""
        tasks = self.store.world.tasks
        there = sorted(tasks, key=lambda id_: (tasks[id_].status != "running", id_))
        gone = [id_ for id_ in self.ids if id_ not in tasks]
        ids = there[:6] + gone[-3:]
        return ids[number % len(ids)]

    def new_ids(self, count: int) -> list[str]:
        """Return ids that were never used; "R": a reentrant task."""
        first = len(self.ids)
        self.ids += [f"{'RN'[number % 2]}{number}" for number in range(first, first + count)]
        return self.ids[first:]
