#!lua flags=allow-oom
-- uses clock
-- Take a supervisor off the live ones.
--
-- KEYS     1 supervisor's record  2 workers
-- ARGV     1 prefix  2 supervisor  3 how long its record is still kept (ms)
-- returns  1 if it was registered, else 0
local known = redis.call('HDEL', KEYS[1], 'on')
redis.call('ZREM', KEYS[2], ARGV[2])
if known == 1 then
  redis.call('HSET', KEYS[1], 'shut', clock())
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return known
