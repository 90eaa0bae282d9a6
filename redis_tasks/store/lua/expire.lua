#!lua flags=allow-oom
-- uses clock, fields, tombs, registry
-- Delete the tasks of one registry that ended too long ago, oldest first, at most 100.
--
-- KEYS     1 totals  2 registry
-- ARGV     1 prefix  2 registry's name  3 how long a task is kept (ms)
-- returns  how many there were
local now = clock()

-- Version 0.1 keeps its registries in sorted sets, and may still run somewhere.
local function take_over(name)
  local head = oldest_end(name)
  local earlier = redis.call('ZPOPMAX', PREFIX .. ':' .. name, 10000)
  for i = 1, #earlier, 2 do
    local noted = entry(earlier[i + 1], earlier[i])
    if parts(noted) <= head then redis.call('LPUSH', KEYS[2], noted) end
  end
  for i = #earlier - 1, 1, -2 do
    local noted = entry(earlier[i + 1], earlier[i])
    if parts(noted) > head then redis.call('RPUSH', KEYS[2], noted) end
  end
end

take_over(ARGV[2])
local old, bytes = 0, 0
for _, noted in ipairs(redis.call('LRANGE', KEYS[2], 0, 99)) do
  local ended_at, id = parts(noted)
  if ended_at > now - ARGV[3] then break end
  old = old + 1
  local task = fields(id, 'enq', 'sz', 'st', 'end')
  if is_noted(task[3], task[4], ended_at) then
    bytes = bytes + count(task[2])
    forget(id, task[1], now)
  end
end
if old > 0 then redis.call('LPOP', KEYS[2], old) end
if bytes > 0 then redis.call('HINCRBY', KEYS[1], ARGV[2], -bytes) end
return old
