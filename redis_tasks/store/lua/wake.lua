#!lua flags=allow-oom
-- uses clock, wake
-- Give a wake-up token back that came to a supervisor with no free worker.
--
-- KEYS     1 queue  2 wake-ups
-- ARGV     1 prefix
-- returns  1
if redis.call('ZCARD', KEYS[1]) > redis.call('LLEN', KEYS[2]) then add_tokens(KEYS[2], 1) end
return 1
