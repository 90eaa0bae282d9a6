"""Ask sentinels, or the nodes of a cluster, which server has the keys.

They are asked anew before each connection, so whoever reconnects finds the server of today.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

Place = tuple[str, int]  # host, port
Ask = Callable[[Place, float, Sequence[str]], Any]  # seconds for each step, then the command
Locate = Callable[[float], Place]  # until a moment of time.monotonic()


def master(sentinels: Sequence[Place], service: str, ask: Ask) -> Locate:
    """Find the master of a service that sentinels watch."""

    def read(answer: Any, _asked: Place) -> Place | None:
        return (answer[0].decode(), int(answer[1])) if answer else None

    question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
    return _from_the_first_that_knows(sentinels, question, ask, read)


def owner(nodes: Sequence[Place], key: str, ask: Ask) -> Locate:
    """Find the node of a cluster that holds a key."""
    slot = key_slot(key.encode())

    def read(answer: Any, asked: Place) -> Place | None:
        for first, last, node, *_ in answer:
            if first <= slot <= last:
                # A node that does not know its own address leaves it out.
                return (node[0] or b"").decode() or asked[0], int(node[1])
        return None

    return _from_the_first_that_knows(nodes, ("CLUSTER", "SLOTS"), ask, read)


def _from_the_first_that_knows(
    seeds: Sequence[Place],
    question: Sequence[str],
    ask: Ask,
    read: Callable[[Any, Place], Place | None],
) -> Locate:
    def locate(deadline: float) -> Place:
        failures = []
        for number, seed in enumerate(seeds):
            # Each gets its share, so that one which is silent leaves time for the next.
            patience = max(0.02, (deadline - time.monotonic()) / (len(seeds) - number))
            try:
                found = read(ask(seed, patience, question), seed)
            except RedisError as error:
                failures.append(f"{seed[0]}:{seed[1]}: {error}")
                continue
            if found is not None:
                return found
            failures.append(f"{seed[0]}:{seed[1]} does not know")
        raise RedisConnectionError(f"No answer to {' '.join(question)}: {'; '.join(failures)}")

    return locate
