#!lua flags=allow-oom
-- Add a run to the totals of its function in its queue; of the first 1,000 such pairs, that is:
-- the runs of all others are counted together, as those of a function and a queue without names.
--
-- KEYS     1 timing
-- ARGV     1 prefix  2 function and queue, as JSON  3 "finished" or "failed"
--          4 how long it took (microseconds)
-- returns  1
local name = ARGV[2]
if redis.call('HEXISTS', KEYS[1], name .. ' us') == 0 and redis.call('HLEN', KEYS[1]) >= 2000 then
  name = '["",""]'
end
redis.call('HINCRBY', KEYS[1], name .. ' ' .. ARGV[3], 1)
redis.call('HINCRBY', KEYS[1], name .. ' us', ARGV[4])
return 1
