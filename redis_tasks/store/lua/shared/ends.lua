-- The ways in which a run ends. Each takes the task's id and the fields of its record, read by
-- read(), and is called only after the guard: the record is running and its run is the caller's.
local KEPT_ARGUMENTS = 1024  -- bytes of arguments that a finished task keeps
local RECORD_BYTES = 280     -- what a record takes in Redis beside its arguments and texts
local LONGEST_PAST = 900     -- bytes about runs that were cut short, the last of them
local LONGEST_NAME = 40      -- bytes of a worker's name there
local grown = {finished = 0, failed = 0}  -- change of the bytes that each registry keeps
local entered = {finished = {}, failed = {}}  -- entries of tasks that have ended
local released = {}  -- queue -> tasks that have no lease there any more
local unreported = {}  -- "<run> <task>" of failed runs of which no middleware has heard
-- Reasons that are not told by the task's own process, which is the one that has its middleware.
local UNREPORTED = {timeout = 1, killed = 1, crash = 1, lost = 1, poison = 1, unstartable = 1}
local REPORTS = 1000  -- kept at most
local vacated = {}   -- supervisor's record -> worker, task with run, ...

-- The rest of the fields is read when it is asked for: a run that has finished, the most frequent
-- one, needs no more than these.
local REST = {__index = function(task, field) return fields(task.id, field)[1] end}

local function read(id)
  local values = fields(id, 'st', 'w', 'run', 'q', 'args', 'meta', 'fn', 'enq', 'start', 'g')
  local task = {id = id, st = values[1], w = values[2] or '', run = values[3] or '',
                q = values[4] or '', args = values[5] or '', meta = values[6] or '',
                fn = values[7], enq = values[8], start = values[9], g = values[10]}
  return setmetatable(task, REST)
end

local function leave_worker(task, id)
  local supervisor = string.match(task.w, '^[^#]*')
  local ids, runs = released[task.q] or {}, vacated[supervisor] or {}
  released[task.q], vacated[supervisor] = ids, runs
  ids[#ids + 1] = id
  runs[#runs + 1] = task.w
  runs[#runs + 1] = id .. ' ' .. task.run
end

-- The end of every task that ends in its registry: all that follows from an end begins here.
local function close(task, id, status, bytes, now, ...)
  bytes = bytes + RECORD_BYTES + #task.meta
  redis.call('HSET', PREFIX .. ':t:' .. id, 'st', status, 'end', now, 'sz', bytes, ...)
  redis.call('HDEL', PREFIX .. ':t:' .. id, 'seq')  -- it has no place in a queue any more
  table.insert(entered[status], entry(now, id))
  grown[status] = grown[status] + bytes
  count_run(task, status, now)
  end_node(task.g, id, status, now)
end

local function vacate(supervisor, runs)
  local workers, left = {}, {}
  for i = 1, #runs, 2 do workers[#workers + 1] = runs[i] end
  local current = redis.call('HMGET', supervisor, unpack(workers))
  for i, worker in ipairs(workers) do
    -- The worker may have been given its next task already.
    if current[i] == runs[2 * i] then left[#left + 1] = worker end
  end
  if #left > 0 then redis.call('HDEL', supervisor, unpack(left)) end
end

-- Write down together which places were left and entered; once, when all runs were looked at.
local function write_places()
  for queue, ids in pairs(released) do
    redis.call('ZREM', PREFIX .. ':leases:' .. queue, unpack(ids))
  end
  for supervisor, runs in pairs(vacated) do vacate(PREFIX .. ':w:' .. supervisor, runs) end
  for name, entries in pairs(entered) do
    if #entries > 0 then redis.call('RPUSH', registry(name), unpack(entries)) end
  end
end

local function finish(task, id, now)
  if #task.args <= KEPT_ARGUMENTS then
    close(task, id, 'finished', #task.args, now)
  else
    local kept = string.sub(task.args, 1, KEPT_ARGUMENTS)
    close(task, id, 'finished', KEPT_ARGUMENTS, now, 'args', kept, 'less', 1)
  end
  return 'finished'
end

local function fail(task, id, reason, text, now)
  local line = note_failure(task, id, text, now)
  close(task, id, 'failed', #task.args + #text + #line, now, 'why', reason, 'err', text, 'gist', line)
  if UNREPORTED[reason] then table.insert(unreported, task.run .. ' ' .. id) end
  return 'failed', reason
end

local function keep_unreported(now)
  local key = PREFIX .. ':postmortem'
  for _, run in ipairs(unreported) do redis.call('ZADD', key, now, run) end
  if #unreported > 0 then redis.call('ZREMRANGEBYRANK', key, 0, -REPORTS - 1) end
end

-- What the worker of a run is called: its supervisor's record may be gone before the task's is.
local function name_of(worker)
  local supervisor, mark = string.match(worker, '^([^#]*)(.*)$')
  local name = redis.pcall('HGET', PREFIX .. ':w:' .. supervisor, 'desc')
  if type(name) ~= 'string' then return '' end
  return (string.gsub(string.sub(name, 1, LONGEST_NAME) .. mark, '[,%c]', ' '))
end

-- Ranked below zero: an interrupted task is next, not last.
local function go_front(task, id, now, began)
  local key = PREFIX .. ':t:' .. id
  if began then
    local cut = (task.cut and task.cut .. ',' or '') .. (task.start or now) .. '-' .. now
    cut = cut .. '-' .. name_of(task.w)
    if #cut > LONGEST_PAST then cut = string.match(cut, ',(.*)') end
    redis.call('HSET', key, 'cut', cut)
  end
  count_run(task, 'requeued', now)
  redis.call('HSET', key, 'st', 'queued')
  redis.call('HDEL', key, 'start')
  local rank = -1e12 + count(task.seq)
  local more = redis.call('ZADD', PREFIX .. ':q:' .. task.q, rank, id)
  redis.call('SADD', PREFIX .. ':queues', task.q)
  add_tokens(PREFIX .. ':wake:' .. task.q, more)
  return 'queued'
end

local function take_attempt_back(task, id)
  redis.call('HSET', PREFIX .. ':t:' .. id, 'try', count(task.try or task.run) - 1)
end

local function interrupt(task, id, reason, text, now)
  if task.re ~= '1' then return fail(task, id, reason, text, now) end
  take_attempt_back(task, id)
  return go_front(task, id, now, true)
end

local function crash(task, id, reason, text, now, max_crashes)
  if task.re ~= '1' then return fail(task, id, reason, text, now) end
  local crashes = count(task.crash) + 1
  redis.call('HSET', PREFIX .. ':t:' .. id, 'crash', crashes)
  if crashes >= max_crashes then
    return fail(task, id, 'poison', text .. ' (crash ' .. crashes .. ' of this task: given up)', now)
  end
  return go_front(task, id, now, true)
end

local function release(task, id, text, now, max_releases)
  local releases = count(task.rel) + 1
  redis.call('HSET', PREFIX .. ':t:' .. id, 'rel', releases)
  if releases > max_releases then
    return fail(task, id, 'unstartable', text .. ' (put back ' .. max_releases .. ' times)', now)
  end
  take_attempt_back(task, id)
  return go_front(task, id, now, false)
end
