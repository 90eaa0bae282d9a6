#!lua flags=allow-oom
-- uses clock, fields, tombs, wake, graph
-- Take a task out of its queue for good, if it is still waiting there.
--
-- KEYS     1 the task's record
-- ARGV     1 prefix  2 task
-- returns  "cancelled" (now or within the last minute), "gone", or the status that forbids it
local now = clock()
local id = ARGV[2]
local task = fields(id, 'st', 'q', 'g')
-- A mark of its own: one that ended and was dropped young has a tombstone, too.
local mark = 'cancelled ' .. id
if not task[1] then return is_buried(mark, now) and 'cancelled' or 'gone' end
if task[1] ~= 'queued' then return task[1] end

local name = task[2] or ''
local queue = PREFIX .. ':q:' .. name
redis.call('ZREM', queue, id)
trim_tokens(queue, PREFIX .. ':wake:' .. name)
redis.call('DEL', KEYS[1])
bury(id, now)
bury(mark, now)
end_node(task[3], id, 'cancelled', now)
return 'cancelled'
