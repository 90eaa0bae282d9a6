#!lua flags=allow-oom
-- Give the lead up, so that another scheduler need not wait until the lease runs out.
--
-- KEYS     1 lead
-- ARGV     1 prefix  2 scheduler  3 term
-- returns  1, or 0 if it was lost before
local lead = redis.call('HMGET', KEYS[1], 'id', 'term')
if lead[1] ~= ARGV[2] or lead[2] ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[1], 'id', 'desc', 'until', 'since')
return 1
