#!lua flags=allow-oom
-- uses clock, fields, tombs
-- Delete the tasks of one registry that ended too long ago, oldest first, at most 100.
--
-- KEYS     1 totals  2 registry
-- ARGV     1 prefix  2 registry's name  3 how long a task is kept (ms)
-- returns  how many there were
local now = clock()
local old = redis.call('ZRANGE', KEYS[2], '-inf', now - ARGV[3], 'BYSCORE', 'LIMIT', 0, 100)
local bytes = 0
for _, id in ipairs(old) do
  local task = fields(id, 'enq', 'sz')
  bytes = bytes + count(task[2])
  redis.call('ZREM', KEYS[2], id)
  forget(id, task[1], now)
end
if bytes > 0 then redis.call('HINCRBY', KEYS[1], ARGV[2], -bytes) end
return #old
