"""Adds very many tasks to a Redis, written by a script of its own: what they are like is real."""

import redis

from redis_tasks import keys

BATCH = 5_000
QUEUE = "big"

# Tasks from one number on, of the state and in the place that ARGV name. Those that wait
# were enqueued one a millisecond; those that failed did so one a second, up to now.
LOAD = """
local p, name, state, from, to, last = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local time = redis.call('TIME')
local now = time[1] * 1000
local functions = {'shop.mail.send_receipt', 'shop.images.resize', 'shop.search.reindex_product'}
local lines = {'ValueError: no such order', 'httpx.ReadTimeout: The read operation timed out'}
local placed = {}
local function place()
  if #placed > 0 then
    redis.call(state == 'failed' and 'RPUSH' or 'ZADD', p .. ':' .. name, unpack(placed))
  end
  placed = {}
end
for i = from + 1, to do
  local id = string.format('%s-%08d-0000-4000-8000-000000000000', state, i)
  local at = state == 'failed' and now - (last - i) * 1000 or now - (last - i)
  local record = {'st', state, 'q', 'big', 'fn', functions[i % 3 + 1], 'enq', at, 'seq', i,
                  'args', '[["ada@example.com", ' .. i .. '], {"format": "pdf"}]', 'to', '60'}
  if state == 'failed' then
    for _, word in ipairs({'start', at, 'end', at + 900, 'run', 1, 'try', 1, 'w', 'worker.1#1',
                           'why', 'exception', 'gist', lines[i % 2 + 1],
                           'err', 'Traceback (most recent call last):\\n' .. lines[i % 2 + 1]}) do
      record[#record + 1] = word
    end
  end
  redis.call('HSET', p .. ':t:' .. id, unpack(record))
  if state == 'failed' then
    placed[#placed + 1] = (at + 900) .. ' ' .. id
  else
    placed[#placed + 1] = i
    placed[#placed + 1] = id
  end
  if #placed >= 2000 then place() end
end
place()
"""


def add(client: "redis.Redis", waiting: int, failed: int) -> None:
    """Put *waiting* tasks into the queue ``QUEUE``, *failed* ones alone into their registry."""
    client.delete(keys.registry(keys.FAILED))
    load = client.register_script(LOAD)
    for name, state, number in (
        (f"q:{QUEUE}", "queued", waiting),
        (f"over:{keys.FAILED}", "failed", failed),
    ):
        for begin in range(0, number, BATCH):
            end = min(begin + BATCH, number)
            load(keys=[keys.prefix()], args=[name, state, begin, end, number])
    client.sadd(keys.queues(), QUEUE)
