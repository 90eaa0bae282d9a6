#!lua
-- uses clock, fields, statistics, arrivals, tombs, wake, put, graph, steps, memory
-- Write one part of a graph; with its last part it begins.
--
-- KEYS     1 totals  2 queues  3 graph-ready  4 where to count, if statistics are wanted
-- ARGV     1 prefix  2 graph  3 "more" or "last"  4 how long a half-written one is kept (ms)
--          5 nodes it has in all  6 lines of nodes it has in all  7 tasks released at once,
--          then for each entry: part of its record ("", ":nodes", ":args" or ":state"), field, value
-- returns  "written", "launched" ("launching": its first tasks are not all enqueued yet),
--          "repeated" (it had begun before) or "incomplete" (what was written before is gone)
local now = clock()
counting = KEYS[4] ~= nil
local graph = ARGV[2]
local key = PREFIX .. ':g:' .. graph
if redis.call('HEXISTS', key, 'st') == 1 then return 'repeated' end
if not leaves_enough(KEYS[1], 0, 0, LARGE) then return no_memory() end

local parts = {key, key .. ':nodes', key .. ':args', key .. ':state'}
for i = 8, #ARGV, 3 do redis.call('HSET', key .. ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
for _, part in ipairs(parts) do redis.call('PEXPIRE', part, ARGV[4]) end
if ARGV[3] == 'more' then return 'written' end

local nodes, lines = tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call('HLEN', parts[2]) ~= lines or redis.call('HLEN', parts[3]) ~= nodes
  or redis.call('HLEN', parts[4]) ~= nodes + 1 then return 'incomplete' end
for _, part in ipairs(parts) do redis.call('PERSIST', part) end
redis.call('HSET', key, 'st', 'running', 'enq', now, 'busy', 1)
redis.call('ZADD', READY, now, graph .. '.0')
local batch = tonumber(ARGV[7])
take_step(graph .. '.0', batch, batch, now)
write_enqueued(now)
return redis.call('ZSCORE', READY, graph .. '.0') and 'launching' or 'launched'
