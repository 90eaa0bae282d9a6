#!lua
-- uses clock, fields, statistics, arrivals, tombs, wake, put
-- Enqueue a task for each tick that is due: once, whoever says so, and however often.
--
-- KEYS     1 lead  2 totals  3 queues  4 where to count, if statistics are wanted
-- ARGV     1 prefix  2 scheduler  3 term, then for each tick: entry, tick (us), how: "always",
--          "alone" (not while the entry's last task is under way) or "never" (it was missed), how
--          many were missed up to it, how long the entry's state is kept (ms), queue, then the
--          task: id, function, arguments, reentrant (1 or 0), timeout (s), meta or "", secret
--          arguments or ""
-- returns  nil if the lead was lost, else the moment (us), then a word a tick: "new", "known" (was
--          enqueued before), "busy" with the id of the task that is under way, "missed", "old"
--          (not later than the entry's last tick) or "early" (not due yet: nothing was done)
local lead = redis.call('HMGET', KEYS[1], 'id', 'term')
if lead[1] ~= ARGV[2] or lead[2] ~= ARGV[3] then return false end

local moment = microseconds()
local now = math.floor(moment / 1000)
counting = KEYS[4] ~= nil

local function is_under_way(id)
  local status = id and fields(id, 'st')[1]
  return status and status ~= 'finished' and status ~= 'failed'
end

local function enqueue(queue, id, fn, arguments, ...)
  if known(id, true, fn, arguments, now) then return end
  local number = redis.call('HINCRBY', KEYS[2], 'seq', 1)
  put(queue, number, now, id, fn, arguments, ...)
  local more = redis.call('ZADD', PREFIX .. ':q:' .. queue, number, id)
  redis.call('SADD', KEYS[3], queue)
  add_tokens(PREFIX .. ':wake:' .. queue, more)
end

local function tick(entry, at, how, missed, keep, queue, id, ...)
  local key = PREFIX .. ':s:' .. entry
  local state = redis.call('HMGET', key, 'last', 'task')
  if tonumber(at) > moment then return 'early' end
  if tonumber(at) <= (tonumber(state[1]) or 0) then
    return redis.call('EXISTS', PREFIX .. ':t:' .. id) == 1 and 'known' or 'old'
  end
  redis.call('HSET', key, 'last', at)
  redis.call('PEXPIRE', key, keep)
  if how == 'never' then
    redis.call('HINCRBY', key, 'miss', missed)
    return 'missed'
  end
  redis.call('HSET', key, 'tick', at)
  if how == 'alone' and is_under_way(state[2]) then
    redis.call('HINCRBY', key, 'skip', 1)
    redis.call('HSET', key, 'skipped', at)
    return 'busy ' .. state[2]
  end
  enqueue(queue, id, ...)
  redis.call('HSET', key, 'task', id)
  return 'new'
end

local words = {string.format('%.0f', moment)}
for i = 4, #ARGV, 13 do
  table.insert(words, tick(unpack(ARGV, i, i + 12)))
end
write_enqueued(now)
return words
