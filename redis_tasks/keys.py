"""Name every Redis key.

All keys begin with ``settings.REDIS_PREFIX`` (``p`` below).

==================  ======  =========================================================
key                 type    content
==================  ======  =========================================================
p:t:<task>          hash    the record of one task, see below
p:q:<queue>         zset    waiting task ids by rank: interrupted < at front < normal
p:leases:<queue>    zset    running task ids by the moment their lease runs out
p:wake:<queue>      list    wake-up tokens, at most 64 and never more than the queue
p:queues            set     names of all queues
p:over:finished     list    finished tasks, "<moment of its end> <task>", oldest first
p:over:failed       list    failed tasks in the same way
p:totals            hash    seq: last sequence number; finished, failed, graphs: bytes kept;
                            tight: set while no more is enqueued for want of memory
p:workers           zset    ids of live supervisors by their last sign of life
p:w:<supervisor>    hash    one supervisor, see below
p:guard             hash    queue -> last recovery, end of the grace period
p:g:<graph>         hash    the record of one graph, see below
p:g:<graph>:nodes   hash    number of a node -> its kind, then its successors
p:g:<graph>:args    hash    number of a node that waits -> JSON of its arguments
p:g:<graph>:state   hash    number of a node -> open predecessors, or what became of it
p:graph-ready       zset    task ids of nodes whose end is to be told to their successors
p:graphs            zset    ids of graphs that are over by the moment of their last step
p:postmortem        zset    killed runs, "<run> <task>", by the moment they may be reported
p:timing            hash    totals of contrib.timing: function, queue -> runs, microseconds
p:tomb:<min>:<nnn>  set     hashes of task ids that were taken away while still young
p:counts:in:<min>   hash    queue, function -> tasks enqueued in that minute
p:counts:out:<min>  hash    queue, function -> numbers of the runs that ended in that minute
p:counts:names      hash    queue, function -> number, day on which it was last seen
p:counts:<s>:<n>    string  JSON: number -> sums of a minute, hour or day; p:counts:ever of all
p:failures          zset    groups of failures by the moment of the last one
p:failure:<group>   hash    one group, see below
p:lead              hash    the scheduler that leads, see below
p:s:<entry>         hash    what became of one entry of the schedule, see below
==================  ======  =========================================================

All moments are milliseconds since 1970 of the Redis server's clock.

A task's record: ``st`` status, ``q`` queue, ``fn`` function's import path, ``args`` JSON of
arguments, ``enq`` ``start`` ``end`` moments, ``re`` 1 if reentrant, ``to`` timeout (s), ``seq``
place in the order of enqueueing until it ends, ``run`` number of the last start, ``w`` worker of
that run, ``try`` attempt if it is not the run's number, ``crash`` ``rel`` how often a run crashed
or was released, ``cut`` aborted runs as ``start-end-worker,...``, ``why`` reason of a failure in
one word, ``err`` its text, ``meta`` the user's JSON, ``lost`` the run that recovery gave up,
``sz`` bytes counted in the registry, ``less`` 1 if the arguments were cut when the task finished,
``sec`` JSON list of the arguments (position or keyword) that are shown to nobody, ``gist`` the
last line of ``err``, ``g`` the graph whose node it is.

A graph's record: ``st`` running or cancelled (none as long as it is half-written), ``on`` what a
failure does, ``n`` number of its nodes, ``enq`` ``end`` moments, ``busy`` how many tasks have not
ended and ends are not told, ``k<i>`` kinds of tasks (lines: queue, function, reentrant, timeout,
secret arguments, meta), ``sz`` ``args`` bytes of its structure and of waiting arguments,
``sweep`` next node to be cancelled, ``at:<node>`` next hundred successors to be told. The task of
node 5 has the id ``<graph>.5``. Its state is a number as long as it waits, then ``released``,
``finished``, ``failed`` or ``cancelled``, with a plus once its successors know. Further hundreds
of successors stand under ``<node>/1``, ``<node>/2``, ...

A supervisor's record: ``desc`` description, ``queues`` JSON list, ``n`` number of workers,
``start`` ``shut`` moments, ``on`` 1 while registered, ``mem`` bytes of memory, ``req`` number of
the last claim, ``seen`` its moment, and for
each busy worker ``<worker> -> <task> <run>``: the reply to that request, kept for its repetition.

A group of failures: ``fn`` function, ``line`` last line of the error, ``n`` how many, ``first``
moment, ``ids`` of the last tasks, ``hours`` of the last day with how many failed in each. What
the numbers of a pair of queue and function are stands in ``shared/counts.lua``.

The lead: ``id`` of the scheduler, ``desc`` description, ``term`` number that grows with each
change, ``since`` when that was, ``until`` when its lease runs out; all but ``term`` are gone while
nobody leads.

An entry's state, its moments in microseconds: ``fp`` fingerprint of its schedule, ``last`` moment
up to which its ticks are done, ``tick`` last tick, ``task`` its last task, ``skip`` how many ticks
were skipped since the last task was still under way, ``skipped`` the last of them, ``miss`` how
many were missed and not made up for.
"""

from redis_tasks.conf import settings

FINISHED = "finished"
FAILED = "failed"


def prefix() -> str:
    return str(settings.REDIS_PREFIX)


def task(task_id: str) -> str:
    return f"{settings.REDIS_PREFIX}:t:{task_id}"


def queue(name: str) -> str:
    return f"{settings.REDIS_PREFIX}:q:{name}"


def leases(name: str) -> str:
    return f"{settings.REDIS_PREFIX}:leases:{name}"


def wake(name: str) -> str:
    return f"{settings.REDIS_PREFIX}:wake:{name}"


def queues() -> str:
    return f"{settings.REDIS_PREFIX}:queues"


def registry(name: str) -> str:
    return f"{settings.REDIS_PREFIX}:over:{name}"


def totals() -> str:
    return f"{settings.REDIS_PREFIX}:totals"


def workers() -> str:
    return f"{settings.REDIS_PREFIX}:workers"


def supervisor(supervisor_id: str) -> str:
    return f"{settings.REDIS_PREFIX}:w:{supervisor_id}"


def guard() -> str:
    return f"{settings.REDIS_PREFIX}:guard"


def counts(name: str) -> str:
    return f"{settings.REDIS_PREFIX}:counts:{name}"


def failures() -> str:
    return f"{settings.REDIS_PREFIX}:failures"


def failure(group: str) -> str:
    return f"{settings.REDIS_PREFIX}:failure:{group}"


def lead() -> str:
    return f"{settings.REDIS_PREFIX}:lead"


def entry(entry_id: str) -> str:
    return f"{settings.REDIS_PREFIX}:s:{entry_id}"


def graph(graph_id: str, part: str = "") -> str:
    return f"{settings.REDIS_PREFIX}:g:{graph_id}{part}"


def graph_ready() -> str:
    return f"{settings.REDIS_PREFIX}:graph-ready"


def graphs() -> str:
    return f"{settings.REDIS_PREFIX}:graphs"


def post_mortem() -> str:
    return f"{settings.REDIS_PREFIX}:postmortem"


def timing() -> str:
    return f"{settings.REDIS_PREFIX}:timing"
