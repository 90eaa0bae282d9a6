#!lua flags=allow-oom
-- Replace a task's meta. While the task runs, only its own run may.
--
-- KEYS     1 totals
-- ARGV     1 prefix  2 task  3 worker or ""  4 run or ""  5 meta (JSON)
-- returns  "saved", "refused" (it runs, and the run is not the caller's) or "gone"
local key = ARGV[1] .. ':t:' .. ARGV[2]
local task = redis.call('HMGET', key, 'st', 'w', 'run')
if not task[1] then return 'gone' end
if ARGV[3] ~= '' and (task[2] ~= ARGV[3] or task[3] ~= ARGV[4]) then return 'refused' end
if task[1] == 'running' and ARGV[3] == '' then return 'refused' end
if task[1] == 'finished' or task[1] == 'failed' then
  local change = #ARGV[5] - redis.call('HSTRLEN', key, 'meta')
  redis.call('HINCRBY', key, 'sz', change)
  redis.call('HINCRBY', KEYS[1], task[1], change)
end
redis.call('HSET', key, 'meta', ARGV[5])
return 'saved'
