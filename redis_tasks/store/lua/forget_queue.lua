#!lua flags=allow-oom
-- Strike a queue off the list of queues, if nothing waits or runs in it.
--
-- KEYS     1 queues  2 queue  3 leases  4 guard
-- ARGV     1 prefix  2 queue's name
-- returns  how many tasks wait, how many run
local waiting, running = redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[3])
if waiting + running == 0 then
  redis.call('SREM', KEYS[1], ARGV[2])
  redis.call('HDEL', KEYS[4], ARGV[2])
end
return {waiting, running}
