-- Registries: the tasks that have ended in the order of their ends, each as "<moment> <task>".
local function registry(name) return PREFIX .. ':over:' .. name end

local function entry(ended_at, id) return (ended_at or '') .. ' ' .. id end

local function parts(noted)
  local blank = string.find(noted, ' ', 1, true) or 0
  return count(string.sub(noted, 1, blank - 1)), string.sub(noted, blank + 1)
end

local function oldest_end(name)
  local oldest = redis.call('LINDEX', registry(name), 0)
  return oldest and parts(oldest) or math.huge
end

-- Tells whether an entry is that of the task as its record is now: a record may have gone without
-- its registry, and its id be used again. What cannot be read is over, too.
local function is_noted(status, ended_at, moment)
  if status == 'queued' or status == 'running' then return false end
  local ended = count(ended_at)
  return ended == 0 or ended == moment
end

-- Searched for from the nearer end: its time grows with the number of tasks on that way.
local function leave_registry(name, ended_at, id)
  local half = math.floor(redis.call('LLEN', registry(name)) / 2)
  local middle = redis.call('LINDEX', registry(name), half)
  local is_newer = middle and parts(middle) < count(ended_at)
  redis.call('LREM', registry(name), is_newer and -1 or 1, entry(ended_at, id))
  redis.call('ZREM', PREFIX .. ':' .. name, id)  -- where version 0.1 had it
end
