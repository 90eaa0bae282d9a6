#!lua
-- uses clock, fields, statistics, arrivals, tombs, wake, put, graph, steps
-- Tell successors of the nodes that have ended; who has no open predecessor left is enqueued.
--
-- KEYS     1 totals  2 queues  3 graph-ready  4 graphs  5 where to count, if statistics are wanted
-- ARGV     1 prefix  2 how many are told at most  3 bytes kept of graphs that are over
-- returns  how many tasks were enqueued, 1 if there is more to tell, what went wrong or ""
local now = clock()
counting = KEYS[5] ~= nil
local batch = tonumber(ARGV[2])
local left, trouble = batch, ''
local next = redis.call('ZRANGE', READY, 0, 0, 'WITHSCORES')
while left > 0 and next[1] and next[2] ~= 'inf' do
  local fine, used = pcall(take_step, next[1], left, batch, now)
  if not fine then
    -- A record that somebody has spoilt must not hold up the other graphs.
    redis.call('ZADD', READY, 'inf', next[1])
    trouble = next[1] .. ': ' .. (type(used) == 'table' and used.err or tostring(used))
    used = 1
  end
  left = left - used
  next = redis.call('ZRANGE', READY, 0, 0, 'WITHSCORES')
end
write_enqueued(now)

-- The newest is kept whatever its size.
local bytes = tonumber(redis.call('HGET', KEYS[1], 'graphs') or 0)
for _ = 1, 10 do
  if bytes <= tonumber(ARGV[3]) or redis.call('ZCARD', KEYS[4]) < 2 then break end
  drop_graph(redis.call('ZRANGE', KEYS[4], 0, 0)[1])
  bytes = tonumber(redis.call('HGET', KEYS[1], 'graphs'))
end
return {released, next[1] and next[2] ~= 'inf' and 1 or 0, trouble}
