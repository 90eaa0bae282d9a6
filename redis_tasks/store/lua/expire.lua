#!lua flags=allow-oom
-- uses clock, fields, tombs, registry
-- Delete the tasks of one registry that ended too long ago, oldest first, at most 100.
--
-- KEYS     1 totals  2 registry
-- ARGV     1 prefix  2 registry's name  3 how long a task is kept (ms)
-- returns  how many there were
local MOST_MOVED = 2000
local now = clock()
-- Version 0.1 kept its registries in sorted sets, and may still run somewhere.
local earlier = redis.call('ZPOPMAX', PREFIX .. ':' .. ARGV[2], MOST_MOVED)
for i = 1, #earlier, 2 do redis.call('LPUSH', KEYS[2], entry(earlier[i + 1], earlier[i])) end

local old, bytes = 0, 0
for _, oldest in ipairs(redis.call('LRANGE', KEYS[2], 0, 99)) do
  local ended_at, id = parts(oldest)
  if ended_at > now - ARGV[3] then break end
  local task = fields(id, 'enq', 'sz')
  old, bytes = old + 1, bytes + count(task[2])
  forget(id, task[1], now)
end
if old > 0 then redis.call('LPOP', KEYS[2], old) end
if bytes > 0 then redis.call('HINCRBY', KEYS[1], ARGV[2], -bytes) end
return old
