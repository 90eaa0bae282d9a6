#!lua flags=allow-oom
-- uses clock, fields, wake
-- Take the next tasks of some queues for the free workers of a supervisor.
--
-- KEYS     1 supervisor's record, then for each queue, first served first: queue, leases, wake-ups
-- ARGV     1 prefix  2 request number  3 lease (ms)  4 number of free workers, then their ids
-- returns  nil if the supervisor is not registered, else for each task: worker, id, run, then what
--          the run needs of the record, "" for what is missing: queue, function, timeout,
--          1 if reentrant, graph, attempt if it is not the run, start, arguments, moment of the
--          enqueue, meta, secret arguments, runs cut short.
--          The same request again gets the same tasks, less those it has lost since; one with
--          a lower number gets none: it was delayed, and nobody waits for its reply.
local now = clock()
local supervisor = redis.call('HMGET', KEYS[1], 'on', 'req')
if not supervisor[1] then return false end

local free = tonumber(ARGV[4])
local claimed = {}

-- In the order of the answer; its first two, worker and id, take the places of st and w.
local function read(id)
  return fields(id, 'st', 'w', 'run', 'q', 'fn', 'to', 're', 'g', 'try', 'start', 'args', 'enq',
                'meta', 'sec', 'cut')
end

local function hand_out(worker, id, task)
  task[1], task[2] = worker, id
  for i = 3, 15 do task[i] = task[i] or '' end
  claimed[#claimed + 1] = task
end

local last, request = count(supervisor[2]), tonumber(ARGV[2])
if request < last then return claimed end
if request == last then
  for i = 5, 4 + free do
    local id, run = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^(.*) (%d+)$')
    if id then
      local task = read(id)
      if task[1] == 'running' and task[2] == ARGV[i] and task[3] == run then
        hand_out(ARGV[i], id, task)
      end
    end
  end
  return claimed
end

local moment = string.format('%.0f', now)
local lease_ends = now + ARGV[3]
local reply = {'req', ARGV[2], 'seen', moment}

local function one_more(number)
  return number and tostring(count(number) + 1) or '1'
end

local function give(id, worker, queue)
  local task = read(id)
  if task[1] ~= 'queued' then return false end
  local run = one_more(task[3])
  local start = {'st', 'running', 'w', worker, 'run', run, 'start', moment}
  if task[9] then
    task[9] = one_more(task[9])
    start[9], start[10] = 'try', task[9]
  end
  if task[4] ~= queue then
    -- Not our own record: where its lease is must stand in it.
    start[#start + 1] = 'q'
    start[#start + 1] = queue
  end
  redis.call('HSET', PREFIX .. ':t:' .. id, unpack(start))
  task[3], task[4], task[10] = run, queue, moment
  hand_out(worker, id, task)
  reply[#reply + 1] = worker
  reply[#reply + 1] = id .. ' ' .. run
  return true
end

-- An id without a queued record is skipped, at most so many a call.
for q = 2, #KEYS, 3 do
  local name = string.sub(KEYS[q], #PREFIX + #':q:' + 1)
  local leases = {}
  for _ = 1, 10 do
    local wanted = free - #claimed
    if wanted == 0 then break end
    local next = redis.call('ZPOPMIN', KEYS[q], wanted)
    for i = 1, #next, 2 do
      if give(next[i], ARGV[5 + #claimed], name) then
        leases[#leases + 1] = lease_ends
        leases[#leases + 1] = next[i]
      end
    end
    if #next < 2 * wanted then break end
  end
  if #leases > 0 then redis.call('ZADD', KEYS[q + 1], unpack(leases)) end
  trim_tokens(KEYS[q], KEYS[q + 2])
end

redis.call('HSET', KEYS[1], unpack(reply))
-- Runs that the other workers have ended are perhaps not settled yet: a repetition of this request
-- must not give them out again.
if #claimed < free then redis.call('HDEL', KEYS[1], unpack(ARGV, 5 + #claimed, 4 + free)) end
return claimed
