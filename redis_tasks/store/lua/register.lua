#!lua flags=allow-oom
-- uses clock
-- Enter a supervisor among the live ones.
--
-- KEYS     1 supervisor's record  2 workers
-- ARGV     1 prefix  2 supervisor  3 description  4 queues (JSON)  5 number of workers
--          6 how long its record is kept without a sign of life (ms)
-- returns  the moment
local now = clock()
redis.call('HSET', KEYS[1], 'desc', ARGV[3], 'queues', ARGV[4], 'n', ARGV[5], 'start', now, 'on', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('ZADD', KEYS[2], now, ARGV[2])
return now
