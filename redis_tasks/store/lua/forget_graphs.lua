#!lua flags=allow-oom
-- uses clock, fields, tombs, wake, put, graph, steps
-- Delete graphs that were over too long ago, oldest first, at most 100.
--
-- KEYS     1 totals  2 graphs
-- ARGV     1 prefix  2 how long a graph is kept after its last step (ms)
-- returns  how many there were
local old = redis.call('ZRANGE', KEYS[2], '-inf', clock() - ARGV[2], 'BYSCORE', 'LIMIT', 0, 100)
for _, graph in ipairs(old) do drop_graph(graph) end
-- What still counts are records that were evicted, or deleted by hand.
if redis.call('ZCARD', KEYS[2]) == 0 then redis.call('HDEL', KEYS[1], 'graphs') end
return #old
