-- Groups failures by function and the error's last line: how many, when, which tasks the last.
local MOST_GROUPS = 500
local LONGEST_LINE = 200   -- bytes
local NEWEST = 5           -- tasks that a group names
local HOUR = 3600000

local function last_line(text)
  local stop = #text
  while stop > 0 and string.byte(text, stop) <= 32 do stop = stop - 1 end
  local newline = string.find(string.reverse(string.sub(text, 1, stop)), '\n', 1, true)
  local first = newline and stop - newline + 2 or 1
  local line = string.sub(text, first, math.min(stop, first + LONGEST_LINE - 1))
  -- What differs from one run to the next would make a group of each.
  line = string.gsub(line, '%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x+#?%d*', '<id>')
  return (string.gsub(line, '0x%x+', '0x...'))
end

-- hours: "hour count,hour count,...", oldest first, of the last day.
local function add_hour(hours, now)
  local hour, kept = math.floor(now / HOUR), {}
  local last = 0
  for at, number in string.gmatch(hours or '', '(%d+) (%d+)') do
    if tonumber(at) == hour then
      last = tonumber(number)
    elseif tonumber(at) > hour - 24 then
      kept[#kept + 1] = at .. ' ' .. number
    end
  end
  kept[#kept + 1] = hour .. ' ' .. last + 1
  return table.concat(kept, ',')
end

-- Returns the error's last line, which the task's record keeps.
local function note_failure(task, id, text, now)
  local line = last_line(text)
  if not counting then return line end
  local fn = string.sub(task.fn or '', 1, LONGEST_PAIR)
  local group = string.sub(redis.sha1hex(fn .. '\n' .. line), 1, 16)
  local key = PREFIX .. ':failure:' .. group
  local held = redis.call('HMGET', key, 'n', 'first', 'ids', 'hours')
  local ids = {string.sub(id, 1, 255)}
  for other in string.gmatch(held[3] or '', '[^\n]+') do
    if #ids < NEWEST and other ~= id then ids[#ids + 1] = other end
  end
  redis.call('HSET', key, 'fn', fn, 'line', line, 'n', count(held[1]) + 1,
             'first', held[2] or now, 'ids', table.concat(ids, '\n'), 'hours', add_hour(held[4], now))
  redis.call('ZADD', PREFIX .. ':failures', now, group)
  if redis.call('ZCARD', PREFIX .. ':failures') > MOST_GROUPS then
    local oldest = redis.call('ZPOPMIN', PREFIX .. ':failures')
    redis.call('DEL', PREFIX .. ':failure:' .. oldest[1])
  end
  return line
end
