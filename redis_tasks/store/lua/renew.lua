#!lua flags=allow-oom
-- uses clock, fields
-- Give a supervisor's sign of life: it lives, these runs go on.
--
-- KEYS     1 supervisor's record  2 workers
-- ARGV     1 prefix  2 supervisor  3 lease (ms)  4 how long its record is kept (ms)
--          5 bytes of memory that it takes with its workhorses, 0 if that is not known,
--          then for each run: task, worker, run
-- returns  1 if the supervisor is registered, else 0; then a word for each run: "ok", "late" (lost, but
--          nobody else may start it: it may go on), "lost" or "gone" (stop it)
local now = clock()
local words = {redis.call('HEXISTS', KEYS[1], 'on')}
if words[1] == 1 then
  redis.call('ZADD', KEYS[2], now, ARGV[2])
  if ARGV[5] ~= '0' then redis.call('HSET', KEYS[1], 'mem', ARGV[5]) end
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end

local function renew(id, worker, run)
  local task = fields(id, 'st', 'w', 'run', 'q', 'why')
  if not task[1] then return 'gone' end
  if task[2] ~= worker or task[3] ~= run then return 'lost' end
  if task[1] == 'running' then
    redis.call('ZADD', PREFIX .. ':leases:' .. (task[4] or ''), now + ARGV[3], id)
    return 'ok'
  end
  return task[1] == 'failed' and task[5] == 'lost' and 'late' or 'lost'
end

for i = 6, #ARGV, 3 do
  table.insert(words, renew(ARGV[i], ARGV[i + 1], ARGV[i + 2]))
end
return words
