"""The least for tasks whose starts and ends are written down, under a lease and a fence.

A record in Redis for each; one process that claims and settles for all slots; a process a slot, in
which tasks run; of those that have finished, 10,000 are kept. Nothing more: no time limits, no
counts, no interruption, no middleware, no log, and nobody looks after what is lost. What is
quicker than this does less, or does it otherwise.
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
from pair import pair

GUARANTEE = "none: the floor that a record, a lease and a fence for each run set"
SETTINGS = "one process for Redis, one a slot; for no-ops two of 24"
NOOP_SLOTS = 48
LEASE = 60_000  # ms

client = redis.Redis.from_url(os.environ["CONTEST_REDIS_URL"])

NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

ENQUEUE = client.register_script(f"""{NOW}
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local place = redis.call('INCR', 'least:places')
redis.call('HSET', KEYS[1], 'st', 'queued', 'q', 'default', 'fn', ARGV[2], 'args', ARGV[3],
           'enq', now, 'to', 60, 'seq', place)
redis.call('ZADD', KEYS[2], place, ARGV[1])
if redis.call('LLEN', KEYS[3]) < 64 then redis.call('RPUSH', KEYS[3], 1) end
return 1
""")

# Arguments: task, worker, number of the run; task, worker, ...
SETTLE = f"""{NOW}
local ids = {{}}
for i = 1, #ARGV, 3 do
  local record = 'least:t:' .. ARGV[i]
  local held = redis.call('HMGET', record, 'st', 'w', 'run')
  if held[1] == 'running' and held[2] == ARGV[i + 1] and held[3] == ARGV[i + 2] then
    redis.call('HSET', record, 'st', 'finished', 'end', now)
    ids[#ids + 1] = ARGV[i]
  end
end
if #ids == 0 then return 0 end
redis.call('ZREM', 'least:leases', unpack(ids))
local over = redis.call('RPUSH', 'least:over', unpack(ids)) - 10000
if over > 0 then
  local records = {{}}
  for _, id in ipairs(redis.call('LPOP', 'least:over', over)) do
    records[#records + 1] = 'least:t:' .. id
  end
  redis.call('DEL', unpack(records))
end
return #ids
"""

# Arguments: a worker for each task that is wanted.
CLAIM = f"""{NOW}
local tasks, leases = {{}}, {{}}
local found = redis.call('ZPOPMIN', 'least:queue', #ARGV)
for i = 1, #found, 2 do
  local record, worker = 'least:t:' .. found[i], ARGV[#tasks + 1]
  local held = redis.call('HMGET', record, 'st', 'run', 'fn', 'args')
  if held[1] == 'queued' then
    local run = (held[2] or 0) + 1
    redis.call('HSET', record, 'st', 'running', 'w', worker, 'run', run, 'start', now)
    tasks[#tasks + 1] = {{worker, found[i], run, held[3], held[4]}}
    leases[#leases + 1] = now + {LEASE}
    leases[#leases + 1] = found[i]
  end
end
if #leases > 0 then redis.call('ZADD', 'least:leases', unpack(leases)) end
local waiting = redis.call('ZCARD', 'least:queue')
if waiting == 0 then
  redis.call('DEL', 'least:wake')
else
  redis.call('LTRIM', 'least:wake', 0, waiting - 1)
end
return tasks
"""


def worker(slots: int) -> list[str]:
    processes = 2 if slots == NOOP_SLOTS else 1
    command = [sys.executable, "-m", "with_least", str(slots // processes)]
    return command if processes == 1 else pair(command)


def enqueue(kind: str, *args: float) -> None:
    task = str(uuid.uuid4())
    keys = [f"least:t:{task}", "least:queue", "least:wake"]
    ENQUEUE(keys, [task, f"work.{kind}", json.dumps(args)])


class Slot:
    """A process that runs tasks, and the run that it has in hand."""

    def __init__(self, number: int) -> None:
        self.name = f"{os.getpid()}#{number}"
        self.run: tuple[str, str, int] | None = None  # task, worker, number
        self.pipe, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self.pipe.close()
            _work_off(theirs)
        theirs.close()

    def give(self, task: bytes, number: int, function: bytes, arguments: bytes) -> None:
        self.run = (task.decode(), self.name, number)
        self.pipe.send(b"\0".join((task, function, arguments)))


def _work_off(pipe: socket.socket) -> None:
    """Run what comes; the process ends with the one that gives it out."""
    while frame := pipe.recv(65536):
        _, function, arguments = frame.split(b"\0")
        getattr(work, function.decode().partition(".")[2])(*json.loads(arguments))
        pipe.send(b".")
    os._exit(0)


class Wire:
    """A connection whose replies are read when they are there."""

    def __init__(self) -> None:
        self._connection: Any = client.connection_pool.get_connection()
        self.awaited = 0  # replies

    def fileno(self) -> int:
        return int(self._connection._sock.fileno())  # noqa: SLF001 -- there is no other way to it

    def send(self, *commands: Sequence[object]) -> None:
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        self.awaited = len(commands)

    def replies(self) -> list[Any]:
        number, self.awaited = self.awaited, 0
        return [self._connection.read_response() for _ in range(number)]


def give_out(slots: Sequence[Slot]) -> None:
    by_name = {slot.name.encode(): slot for slot in slots}
    settle, claim = client.script_load(SETTLE), client.script_load(CLAIM)
    redis_, bell = Wire(), Wire()
    ears = selectors.DefaultSelector()
    for ear in (redis_, bell, *slots):
        ears.register(ear.pipe if isinstance(ear, Slot) else ear, selectors.EVENT_READ, ear)
    over: list[tuple[str, str, int]] = []
    asked_for = 0
    hungry = True
    while True:
        free = [slot.name for slot in slots if slot.run is None]
        if not redis_.awaited and (over or (hungry and free)):
            ended = [word for run in over for word in run]
            settled = [("EVALSHA", settle, 0, *ended)] if over else []
            redis_.send(*settled, ("EVALSHA", claim, 0, *free))
            over, asked_for = [], len(free)
        elif free and not bell.awaited and not redis_.awaited:
            bell.send(("BLPOP", "least:wake", 2))
        for key, _ in ears.select():
            if key.data is redis_:
                given = redis_.replies()[-1]
                for name, *task in given:
                    by_name[name].give(*task)
                hungry = len(given) == asked_for
            elif key.data is bell:
                bell.replies()
                hungry = True
            else:
                slot = key.data
                slot.pipe.recv(16)
                over.append(slot.run)
                slot.run = None


if __name__ == "__main__":
    give_out([Slot(number) for number in range(int(sys.argv[1]))])
