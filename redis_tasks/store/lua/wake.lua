#!lua flags=allow-oom
-- uses clock, wake
-- Give a wake-up token back that came to a supervisor with no free worker.
--
-- KEYS     1 queue  2 wake-ups
-- ARGV     1 prefix
-- returns  1
add_tokens(KEYS[1], KEYS[2], 1)
return 1
