-- Memory that new tasks leave to those that are queued: what runs and ends writes a little, too,
-- and may write where Redis takes no more. Only where Redis refuses (noeviction): one that evicts
-- is full at all times.
local RESERVE = 0.08  -- of the server's memory
local MOST_RESERVE = 8 * 1024 * 1024  -- bytes
local LOOK_EVERY = 64  -- tasks: to ask for the server's memory takes as long as to enqueue one
local LARGE = 8192  -- bytes of arguments for which it is asked in any case

-- Tells whether tasks of so many bytes may be added, *seq* being the number of the last one.
local function leaves_enough(totals, seq, tasks, bytes)
  local was_tight = redis.call('HGET', totals, 'tight')
  local is_turn = math.floor(seq / LOOK_EVERY) ~= math.floor((seq + tasks) / LOOK_EVERY)
  if not (was_tight or is_turn or bytes >= LARGE) then return true end
  local info = redis.pcall('INFO', 'memory')
  if type(info) ~= 'string' then return true end  -- this user may not ask
  local most = tonumber(string.match(info, 'maxmemory:(%d+)')) or 0
  local used = tonumber(string.match(info, 'used_memory:(%d+)')) or 0
  local refuses = string.find(info, 'maxmemory_policy:noeviction', 1, true)
  local room = most - math.min(RESERVE * most, MOST_RESERVE) - used
  if most == 0 or not refuses or bytes < room then
    if was_tight then redis.call('HDEL', totals, 'tight') end
    return true
  end
  if not was_tight then redis.call('HSET', totals, 'tight', 1) end
  return false
end

local function no_memory()
  return redis.error_reply('OOM what is left of its memory is for the tasks that are queued')
end
