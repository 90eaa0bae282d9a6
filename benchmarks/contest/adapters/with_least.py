"""The floor of this guarantee: a record, a place, a start and an end written down for each task.

One process claims and settles in Redis for all slots, another runs what it is given. Nothing more:
no limits, no counts, no interruption, no middleware, no recovery of what is lost.
"""

import json
import os
import selectors
import socket
import sys
import uuid
from collections.abc import Sequence
from typing import Any

import redis
import work

GUARANTEE = "the least for it: start and end of each task written down, nobody looks after it"
SETTINGS = "one process for Redis, one a slot; for no-ops two of 24"
NOOP_SLOTS = 48

client = redis.Redis.from_url(os.environ["CONTEST_REDIS_URL"])

ENQUEUE = client.register_script("""
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local time = redis.call('TIME')
local place = redis.call('INCR', 'least:places')
redis.call('HSET', KEYS[1], 'st', 'queued', 'q', 'default', 'fn', ARGV[2], 'args', ARGV[3],
           'enq', time[1] .. time[2], 'to', 60, 'seq', place)
redis.call('ZADD', KEYS[2], place, ARGV[1])
if redis.call('LLEN', KEYS[3]) < 64 then redis.call('RPUSH', KEYS[3], 1) end
return 1
""")

SETTLE = """
local time = redis.call('TIME')
local now = time[1] .. time[2]
local ids, records = {}, {}
for i = 1, #ARGV, 2 do
  local record = 'least:t:' .. ARGV[i]
  local held = redis.call('HMGET', record, 'st', 'w', 'run')
  if held[1] == 'running' and held[2] == ARGV[i + 1] then
    redis.call('HSET', record, 'st', 'finished', 'end', now)
    ids[#ids + 1] = ARGV[i]
  end
end
if #ids == 0 then return 0 end
redis.call('ZREM', 'least:leases', unpack(ids))
local over = redis.call('RPUSH', 'least:over', unpack(ids)) - 10000
if over > 0 then
  for _, id in ipairs(redis.call('LPOP', 'least:over', over)) do
    records[#records + 1] = 'least:t:' .. id
  end
  redis.call('DEL', unpack(records))
end
return #ids
"""

CLAIM = """
local time = redis.call('TIME')
local now = time[1] .. time[2]
local tasks, leases = {}, {}
local found = redis.call('ZPOPMIN', 'least:queue', #ARGV)
for i = 1, #found, 2 do
  local record, worker = 'least:t:' .. found[i], ARGV[#tasks + 1]
  local held = redis.call('HMGET', record, 'st', 'run', 'fn', 'args')
  if held[1] == 'queued' then
    local run = (held[2] or 0) + 1
    redis.call('HSET', record, 'st', 'running', 'w', worker, 'run', run, 'start', now)
    tasks[#tasks + 1] = {worker, found[i], held[3], held[4]}
    leases[#leases + 1] = time[1] + 60
    leases[#leases + 1] = found[i]
  end
end
if #leases > 0 then redis.call('ZADD', 'least:leases', unpack(leases)) end
redis.call('LTRIM', 'least:wake', 0, redis.call('ZCARD', 'least:queue') - 1)
return tasks
"""


def worker(slots: int) -> list[str]:
    processes = 2 if slots == NOOP_SLOTS else 1
    one = f"{sys.executable} -m with_least {slots // processes}"
    if processes == 1:
        return one.split()
    return ["/bin/sh", "-c", f"trap 'trap : TERM; kill 0' TERM; {one} & {one} & wait; wait"]


def enqueue(kind: str, *args: float) -> None:
    task = str(uuid.uuid4())
    keys = [f"least:t:{task}", "least:queue", "least:wake"]
    ENQUEUE(keys, [task, f"work.{kind}", json.dumps(args)])


def work_off(pipe: socket.socket) -> None:
    """Run what comes; the process ends with the one that gives it out."""
    while frame := pipe.recv(65536):
        _, function, arguments = frame.split(b"\0")
        getattr(work, function.decode().partition(".")[2])(*json.loads(arguments))
        pipe.send(b".")
    os._exit(0)


class Slot:
    """One process that runs tasks, and what it has in hand."""

    def __init__(self, number: int) -> None:
        self.name = f"{os.getpid()}#{number}"
        self.task = ""
        self.pipe, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self.pipe.close()
            work_off(theirs)
        theirs.close()


def give_out(slots: Sequence[Slot]) -> None:
    by_name = {slot.name: slot for slot in slots}
    bell = client.connection_pool.get_connection()
    ears = selectors.DefaultSelector()
    ears.register(bell._sock, selectors.EVENT_READ)  # noqa: SLF001 -- there is no other way to it
    for slot in slots:
        ears.register(slot.pipe, selectors.EVENT_READ, slot)
    settle, claim = client.script_load(SETTLE), client.script_load(CLAIM)
    done: list[Slot] = []
    has_rung, is_waiting = True, False
    while True:
        free = [slot for slot in slots if slot in done or not slot.task]
        if done or (has_rung and free):
            calls: Any = client.pipeline(transaction=False)
            if done:
                ended = [word for slot in done for word in (slot.task, slot.name)]
                calls.evalsha(settle, 0, *ended)
            calls.evalsha(claim, 0, *[slot.name for slot in free])
            given = calls.execute()[-1]
            for slot in done:
                slot.task = ""
            for name, task, function, arguments in given:
                slot = by_name[name.decode()]
                slot.task = task.decode()
                slot.pipe.send(b"\0".join((task, function, arguments)))
            has_rung = len(given) == len(free)
        done = []
        if not is_waiting:
            bell.send_command("BLPOP", "least:wake", 2)
            is_waiting = True
        for key, _ in ears.select():
            if key.data is None:
                has_rung, is_waiting = bell.read_response() is not None, False
            else:
                key.data.pipe.recv(16)
                done.append(key.data)


if __name__ == "__main__":
    give_out([Slot(number) for number in range(int(sys.argv[1]))])
