#!lua flags=allow-oom
-- uses clock, fields, tombs, wake, graph, registry
-- Delete tasks wherever they are, except running ones.
--
-- KEYS     1 totals
-- ARGV     1 prefix, then at most 100 tasks
-- returns  for each task: "deleted", "running" (left alone) or "gone"
local now = clock()

local function delete(id)
  local task = fields(id, 'st', 'q', 'enq', 'sz', 'g', 'end')
  if not task[1] then return 'gone' end
  if task[1] == 'running' then return 'running' end
  if task[1] == 'queued' then
    local name = task[2] or ''
    redis.call('ZREM', PREFIX .. ':q:' .. name, id)
    trim_tokens(PREFIX .. ':q:' .. name, PREFIX .. ':wake:' .. name)
    end_node(task[5], id, 'cancelled', now)
  elseif task[1] == 'finished' or task[1] == 'failed' then
    leave_registry(task[1], task[6], id)
    redis.call('HINCRBY', KEYS[1], task[1], 0 - count(task[4]))
  end
  forget(id, task[3], now)
  return 'deleted'
end

local words = {}
for i = 2, #ARGV do table.insert(words, delete(ARGV[i])) end
return words
