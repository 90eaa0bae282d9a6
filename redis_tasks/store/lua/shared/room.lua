-- Keeps both registries within their limits of count and of bytes: oldest dropped first, at most
-- 100 tasks a call, so that a lowered limit is reached over several calls.
local function drop_oldest(name, number, now)
  local records = {}
  local entries = redis.call('LPOP', registry(name), number) or {}
  for _, noted in ipairs(entries) do
    local ended_at, id = parts(noted)
    local kept = fields(id, 'enq', 'sz', 'st', 'end')
    if is_noted(kept[3], kept[4], ended_at) then
      grown[name] = grown[name] - count(kept[2])
      records[#records + 1] = PREFIX .. ':t:' .. id
      bury_young(id, kept[1], now)
    end
  end
  if #records > 0 then redis.call('DEL', unpack(records)) end
  return #entries
end

local function keep_bounded(finished_max, failed_max, bytes_max, now)
  local dropped = 0
  for name, limit in pairs({finished = finished_max, failed = failed_max}) do
    local over = redis.call('LLEN', registry(name)) - limit
    over = math.min(over, 100 - dropped)
    if over > 0 then dropped = dropped + drop_oldest(name, over, now) end
  end

  local bytes = redis.call('HMGET', KEYS[1], 'finished', 'failed')
  local kept = (tonumber(bytes[1]) or 0) + (tonumber(bytes[2]) or 0)
  while kept + grown.finished + grown.failed > bytes_max and dropped < 100 do
    local finished, failed = oldest_end('finished'), oldest_end('failed')
    if finished == math.huge and failed == math.huge then
      -- What still counts are records that were evicted, or deleted by hand.
      redis.call('HDEL', KEYS[1], 'finished', 'failed')
      grown.finished, grown.failed = 0, 0
      break
    end
    dropped = dropped + drop_oldest(finished <= failed and 'finished' or 'failed', 1, now)
  end

  for name, change in pairs(grown) do
    if change ~= 0 then redis.call('HINCRBY', KEYS[1], name, change) end
  end
end
