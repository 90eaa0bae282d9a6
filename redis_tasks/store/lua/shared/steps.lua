-- Steps of graphs. The end of a node is told to its successors in bounded parts: the cursor at:<n>
-- in the graph's record says with which part to go on, and a plus behind the node's state that all
-- were told, so that each of them counts each predecessor once. Node 0 precedes the first ones.
-- busy counts the tasks that have not ended and the ends that are not told: at 0 it is over.
local released = 0

local function kind_of(key, line)
  local kind = redis.call('HGET', key, 'k' .. (string.match(line or '', '^%d+') or ''))
  return string.match(kind or '', '^([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$')
end

-- A task that is there already is not made a second time.
local function enqueue_node(graph, key, line, id, arguments, seq, now)
  local queue, fn, reentrant, timeout, secret, meta = kind_of(key, line)
  if not queue or redis.call('EXISTS', PREFIX .. ':t:' .. id) == 1 then return nil end
  put(queue, seq, now, id, fn, arguments, reentrant, timeout, meta, secret, graph)
  local more = redis.call('ZADD', PREFIX .. ':q:' .. queue, seq, id)
  return queue, more
end

local function release_nodes(graph, key, numbers, now)
  local arguments = redis.call('HMGET', key .. ':args', unpack(numbers))
  local lines = redis.call('HMGET', key .. ':nodes', unpack(numbers))
  local seq = redis.call('HINCRBY', PREFIX .. ':totals', 'seq', #numbers) - #numbers
  local bytes, added = 0, {}
  for i, number in ipairs(numbers) do
    local raw = arguments[i] or ''
    local id = graph .. '.' .. number
    local queue, more = enqueue_node(graph, key, lines[i], id, raw, seq + i, now)
    if queue then added[queue] = (added[queue] or 0) + more end
    bytes = bytes + #raw
  end
  for queue, tasks in pairs(added) do
    redis.call('SADD', PREFIX .. ':queues', queue)
    add_tokens(PREFIX .. ':wake:' .. queue, tasks)
  end
  redis.call('HDEL', key .. ':args', unpack(numbers))
  redis.call('HINCRBY', key, 'args', -bytes)
  redis.call('HINCRBY', key, 'busy', #numbers)
  released = released + #numbers
end

local function open_nodes(graph, key, numbers, now)
  local states = redis.call('HMGET', key .. ':state', unpack(numbers))
  local changes, ready = {}, {}
  for i, number in ipairs(numbers) do
    local open = tonumber(states[i] or '')
    if open then
      if open == 1 then table.insert(ready, number) end
      table.insert(changes, number)
      table.insert(changes, open == 1 and 'released' or open - 1)
    end
  end
  if #changes > 0 then redis.call('HSET', key .. ':state', unpack(changes)) end
  if #ready > 0 then release_nodes(graph, key, ready, now) end
end

-- Tells successors as long as there is room; returns how many, and whether that were the last.
local function tell(graph, key, node, room, batch, now)
  local at, used = count(redis.call('HGET', key, 'at:' .. node)), 0
  while true do
    local line = redis.call('HGET', key .. ':nodes', at == 0 and node or node .. '/' .. at)
    if not line then break end
    local numbers = {}
    for number in string.gmatch(line, ' (%d+)') do table.insert(numbers, number) end
    if used + #numbers > room and room - used < batch then
      redis.call('HSET', key, 'at:' .. node, at)
      return room, false
    end
    if #numbers > 0 then open_nodes(graph, key, numbers, now) end
    at, used = at + 1, used + #numbers
  end
  redis.call('HDEL', key, 'at:' .. node)
  return used, true
end

local function cancel_node(graph, key, number, now)
  local id = graph .. '.' .. number
  local task = fields(id, 'st', 'q')
  if task[1] ~= 'queued' then return end
  local queue = PREFIX .. ':q:' .. (task[2] or '')
  redis.call('ZREM', queue, id)
  trim_tokens(queue, PREFIX .. ':wake:' .. (task[2] or ''))
  redis.call('DEL', PREFIX .. ':t:' .. id)
  bury(id, now)
  bury('cancelled ' .. id, now)
  redis.call('HSET', key .. ':state', number, 'cancelled+')
  redis.call('HINCRBY', key, 'busy', -1)
end

-- Cancels what waits of a cancelled graph, node by node, as long as there is room.
local function sweep(graph, key, from, room, now)
  local nodes = count(redis.call('HGET', key, 'n'))
  local last = math.min(nodes, from + room - 1)
  local numbers = {}
  for number = from, last do table.insert(numbers, number) end
  local states = #numbers > 0 and redis.call('HMGET', key .. ':state', unpack(numbers)) or {}
  for i, number in ipairs(numbers) do
    if states[i] == 'released' then cancel_node(graph, key, number, now) end
  end
  if last < nodes then
    redis.call('HSET', key, 'sweep', last + 1)
    return room, false
  end
  redis.call('HDEL', key, 'sweep')
  return #numbers, true
end

local function close(graph, key, state, now)
  if state == 'cancelled' then
    redis.call('DEL', key .. ':args')
    redis.call('HSET', key, 'args', 0)
  end
  redis.call('HSET', key, 'end', now)
  if redis.call('ZADD', PREFIX .. ':graphs', now, graph) == 1 then
    redis.call('HINCRBY', PREFIX .. ':totals', 'graphs', graph_bytes(key))
  end
end

local function take_step(id, room, batch, now)
  local graph, node = string.match(id, '^(.*)%.(%d+)$')
  local key = PREFIX .. ':g:' .. (graph or '')
  local known = redis.call('HMGET', key, 'st', 'on', 'sweep')
  local state, policy, from = known[1], known[2], tonumber(known[3] or '')
  local word = redis.call('HGET', key .. ':state', node or '')
  if not state or not word then
    redis.call('ZREM', READY, id)
    return 1
  end

  local used, done = 1, true
  local failed = word == 'failed' or word == 'cancelled'
  if failed and policy == 'cancel' and state ~= 'cancelled' then
    state, from = 'cancelled', 1
    redis.call('HSET', key, 'st', state)
  end
  if state == 'cancelled' then
    if from then used, done = sweep(graph, key, from, room, now) end
  elseif not string.find(word, '+', 1, true) and (policy == 'run' or not failed) then
    used, done = tell(graph, key, node, room, batch, now)
    if done then redis.call('HSET', key .. ':state', node, word .. '+') end
  end

  if not done then
    -- Behind the others, so that a wide graph does not hold up the rest.
    redis.call('ZADD', READY, 'XX', now, id)
  else
    redis.call('ZREM', READY, id)
    if redis.call('HINCRBY', key, 'busy', -1) <= 0 then close(graph, key, state, now) end
  end
  return math.max(1, used)
end

local function drop_graph(graph)
  local key = PREFIX .. ':g:' .. graph
  redis.call('HINCRBY', PREFIX .. ':totals', 'graphs', 0 - graph_bytes(key))
  redis.call('ZREM', PREFIX .. ':graphs', graph)
  redis.call('DEL', key, key .. ':nodes', key .. ':args', key .. ':state')
end
