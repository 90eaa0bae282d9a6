"""Chooses at random a graph, and what becomes of its tasks."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from redis_tasks.lifecycle import MOVES
from tests.support.graph_actions import GraphActions

SHAPES = [
    (3, [(1, 2), (2, 3)]),
    (4, [(1, 2), (1, 3), (2, 4), (3, 4)]),
    (6, [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]),
    (7, [(1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7)]),
    (6, [(1, 2), (1, 3), (1, 4), (1, 5), (2, 6), (3, 6), (4, 6)]),
    (5, []),
]

numbers = st.integers(0, 7)
moves = st.sampled_from([*sorted(MOVES), "finish", "finish", "fail"])


class GraphMachine(RuleBasedStateMachine):
    """After every step no node has begun too early or twice; in the end all that can have run."""

    actions: GraphActions

    @initialize(
        shape=st.sampled_from(SHAPES), policy=st.sampled_from(["stop", "stop", "run", "cancel"])
    )
    def begin(self, shape: tuple[int, Sequence[tuple[int, int]]], policy: str) -> None:
        self.actions = GraphActions(*shape, policy)

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        self.actions.check()

    @rule()
    def advance(self) -> None:
        self.actions.advance()

    @rule()
    def advance_fully(self) -> None:
        self.actions.advance_fully()
        self.actions.check_settled()

    @rule()
    def claim(self) -> None:
        self.actions.claim()

    @precondition(lambda self: self.actions.runs)
    @rule(number=numbers, move=moves, times=st.integers(1, 2))
    def settle(self, number: int, move: str, times: int) -> None:
        """Any run, perhaps one that is over: the last ones more often."""
        for _ in range(times):
            self.actions.settle(self.actions.runs[-1 - number % len(self.actions.runs)], move)

    @rule(moves=st.lists(moves, min_size=2, max_size=2))
    def work(self, moves: list[str]) -> None:
        before = len(self.actions.runs)
        self.actions.claim()
        for run, move in zip(self.actions.runs[before:], moves, strict=False):
            self.actions.settle(run, move)

    @rule(late=moves)
    def lose(self, late: str) -> None:
        """Give all up that runs; then the last of them has its say."""
        self.actions.claim()
        self.actions.recover()
        if self.actions.runs:
            self.actions.advance_fully()
            self.actions.check_settled()
            self.actions.settle(self.actions.runs[-1], late)

    @rule(number=st.integers(1, 7), what=st.sampled_from(["cancel", "delete"]))
    def take_away(self, number: int, what: str) -> None:
        if number <= len(self.actions.graph.nodes):
            getattr(self.actions, what)(number)

    @precondition(lambda self: len(self.actions.runs) > 3)
    @rule()
    def drain(self) -> None:
        self.actions.drain()

    @rule()
    def launch_again(self) -> None:
        assert self.actions.launch() == "repeated"

    def teardown(self) -> None:
        if hasattr(self, "actions"):
            self.actions.run_out()
