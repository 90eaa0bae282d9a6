#!lua flags=allow-oom
-- uses clock, fields, tombs, wake, graph
-- Delete the next waiting tasks of one queue.
--
-- KEYS     1 queue  2 wake-ups
-- ARGV     1 prefix  2 how many at most
-- returns  how many there were
local now = clock()
local next = redis.call('ZPOPMIN', KEYS[1], ARGV[2])
for i = 1, #next, 2 do
  local task = fields(next[i], 'st', 'enq', 'g')
  if task[1] == 'queued' then
    forget(next[i], task[2], now)
    end_node(task[3], next[i], 'cancelled', now)
  end
end
trim_tokens(KEYS[1], KEYS[2])
return #next / 2
