#!lua flags=allow-oom
-- uses clock, fields, statistics, counts, failures, tombs, wake, graph, registry, ends, room
-- Take back the tasks of one queue whose lease ran out, at most 100.
--
-- KEYS     1 totals  2 leases  3 guard  4 where to count, if statistics are wanted
-- ARGV     1 prefix  2 finished tasks kept  3 failed tasks kept  4 bytes kept  5 crashes allowed
--          6 queue's name  7 lease (ms)  8 guard (ms)  9 grace (ms)
--          10 1 if middleware is to hear of lost runs, else ""
-- returns  nil during a grace period, else for each task: id, worker, run, function,
--          "queued" or "failed", reason
local now = clock()
counting = KEYS[4] ~= nil
local lease, guard, grace = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

-- Nobody recovered for long, or the clock went back: Redis or all of its clients were away, and a
-- lease that ran out meanwhile says nothing. The living get time to renew first.
local last, grace_ends = string.match(redis.call('HGET', KEYS[3], ARGV[6]) or '', '^(%d+) (%d+)$')
last, grace_ends = tonumber(last) or 0, tonumber(grace_ends) or 0
if now < last or now - last > guard then grace_ends = now + grace end
if grace_ends > now + grace then grace_ends = now + grace end
redis.call('HSET', KEYS[3], ARGV[6], now .. ' ' .. grace_ends)
if now < grace_ends then return false end

local ahead = redis.call('ZRANGE', KEYS[2], '(' .. now + lease, '+inf', 'BYSCORE', 'LIMIT', 0, 100)
for _, id in ipairs(ahead) do redis.call('ZADD', KEYS[2], now + lease, id) end

local function take_back(id)
  local task = read(id)
  redis.call('ZREM', KEYS[2], id)
  if task.st ~= 'running' then return nil end
  leave_worker(task, id)
  local key = PREFIX .. ':t:' .. id
  local text = 'Worker ' .. task.w .. ' was lost; the task may or may not have begun'
  if task.re == '1' then
    redis.call('HSET', key, 'w', '', 'lost', task.w .. ' ' .. task.run)
  end
  local word, reason = crash(task, id, 'lost', text, now, tonumber(ARGV[5]))
  return {id, task.w, count(task.run), redis.call('HGET', key, 'fn') or '', word, reason or ''}
end

local taken = {}
local expired = redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
for _, id in ipairs(expired) do
  local what = take_back(id)
  if what then table.insert(taken, what) end
end
if #taken > 0 then
  write_places()
  write_counts(now)
  if ARGV[10] == '1' then keep_unreported(now) end
  keep_bounded(tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), now)
end
return taken
