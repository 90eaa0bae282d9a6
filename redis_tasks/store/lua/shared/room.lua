-- Keeps both registries within their limits of count and of bytes: oldest dropped first, at most
-- 100 tasks a call, so that a lowered limit is reached over several calls.
local function drop_oldest(name, number, now)
  local oldest = redis.call('ZPOPMIN', PREFIX .. ':' .. name, number)
  local records = {}
  for i = 1, #oldest, 2 do
    local kept = fields(oldest[i], 'enq', 'sz')
    grown[name] = grown[name] - count(kept[2])
    records[#records + 1] = PREFIX .. ':t:' .. oldest[i]
    bury_young(oldest[i], kept[1], now)
  end
  if #records > 0 then redis.call('DEL', unpack(records)) end
  return #oldest / 2
end

local function keep_bounded(finished_max, failed_max, bytes_max, now)
  local dropped = 0
  for name, limit in pairs({finished = finished_max, failed = failed_max}) do
    local over = redis.call('ZCARD', PREFIX .. ':' .. name) - limit
    over = math.min(over, 100 - dropped)
    if over > 0 then dropped = dropped + drop_oldest(name, over, now) end
  end

  local bytes = redis.call('HMGET', KEYS[1], 'finished', 'failed')
  local kept = (tonumber(bytes[1]) or 0) + (tonumber(bytes[2]) or 0)
  while kept + grown.finished + grown.failed > bytes_max and dropped < 100 do
    local finished = redis.call('ZRANGE', PREFIX .. ':finished', 0, 0, 'WITHSCORES')
    local failed = redis.call('ZRANGE', PREFIX .. ':failed', 0, 0, 'WITHSCORES')
    if #finished + #failed == 0 then
      -- What still counts are records that were evicted, or deleted by hand.
      redis.call('HDEL', KEYS[1], 'finished', 'failed')
      grown.finished, grown.failed = 0, 0
      break
    end
    local newer_failed = #failed == 0 or (#finished > 0 and finished[2] - failed[2] <= 0)
    dropped = dropped + drop_oldest(newer_failed and 'finished' or 'failed', 1, now)
  end

  for name, change in pairs(grown) do
    if change ~= 0 then redis.call('HINCRBY', KEYS[1], name, change) end
  end
end
