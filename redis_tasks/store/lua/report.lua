#!lua flags=allow-oom
-- uses clock, fields
-- Take the next killed run of which middleware is to hear; another caller gets it only later.
--
-- KEYS     1 post mortem
-- ARGV     1 prefix  2 what was taken before, and is done now, or ""  3 until when nobody else gets
--          what is taken now (ms from now)
-- returns  nil if there is none, else: what was taken, the task, all fields of its record
local now = clock()
if ARGV[2] ~= '' then redis.call('ZREM', KEYS[1], ARGV[2]) end

local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
for _, taken in ipairs(due) do
  local run, id = string.match(taken, '^(%d+) (.*)$')
  local record = fields(id or '', 'st', 'run')
  -- Else the task is gone, or a late result has come, of which its own workhorse has told.
  if record[1] == 'failed' and record[2] == run then
    redis.call('ZADD', KEYS[1], now + ARGV[3], taken)
    return {taken, id, redis.call('HGETALL', PREFIX .. ':t:' .. id)}
  end
  redis.call('ZREM', KEYS[1], taken)
end
return false
