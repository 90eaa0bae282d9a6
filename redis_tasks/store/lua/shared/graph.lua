-- A node of a graph is a task whose record names the graph (g); its id is the graph's, a dot, its
-- number. The script that ends the task writes that into the graph in the same step, and notes
-- that the node's successors are to be told: steps.lua does so, called by whoever lives.
local READY = PREFIX .. ':graph-ready'

local function graph_bytes(key)
  local sizes = redis.call('HMGET', key, 'sz', 'args')
  return count(sizes[1]) + count(sizes[2])
end

-- The late result of a node that was given up changes a graph that may be over.
local function reopen(graph, key)
  if redis.call('ZREM', PREFIX .. ':graphs', graph) == 1 then
    redis.call('HINCRBY', PREFIX .. ':totals', 'graphs', 0 - graph_bytes(key))
    redis.call('HDEL', key, 'end')
  end
end

local function end_node(graph, id, word, now)
  if not graph then return end
  local key = PREFIX .. ':g:' .. graph
  local node = string.sub(id, #graph + 2)
  local before = redis.pcall('HGET', key .. ':state', node)
  -- The graph is gone, or the record is not ours and may say anything.
  if type(before) ~= 'string' or tonumber(before) then return end
  local told = string.match(before, '%+?$')
  redis.call('HSET', key .. ':state', node, word .. told)
  local noted = redis.call('ZADD', READY, 'NX', now, id)
  if before ~= 'released' then
    reopen(graph, key)
    if noted == 1 then redis.call('HINCRBY', key, 'busy', 1) end
  end
end
