#!lua flags=allow-oom
-- uses clock, fields
-- Mark supervisors as dead that gave no sign of life for the length of a lease, at most 100. Both
-- a renewal and a claim are one.
--
-- KEYS     1 workers
-- ARGV     1 prefix  2 lease (ms)  3 how long their records are still kept (ms)
-- returns  for each: supervisor, description
local now = clock()
local dead = {}

-- After the clock went back: counted from now on, or they would seem alive for long.
local ahead = redis.call('ZRANGE', KEYS[1], '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 100)
for _, id in ipairs(ahead) do redis.call('ZADD', KEYS[1], now, id) end

local silent = redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[2], 'BYSCORE', 'LIMIT', 0, 100)
for _, id in ipairs(silent) do
  local key = PREFIX .. ':w:' .. id
  local claimed_at = count(redis.call('HGET', key, 'seen'))
  if now - claimed_at < tonumber(ARGV[2]) then
    -- Noted here only now: a claim is to be as cheap as it can be.
    redis.call('ZADD', KEYS[1], math.min(claimed_at, now), id)
    redis.call('HDEL', key, 'seen')
  else
    redis.call('ZREM', KEYS[1], id)
    if redis.call('HDEL', key, 'on') == 1 then
      redis.call('HSET', key, 'shut', now)
      redis.call('PEXPIRE', key, ARGV[3])
    end
    table.insert(dead, {id, redis.call('HGET', key, 'desc') or ''})
  end
end
return dead
