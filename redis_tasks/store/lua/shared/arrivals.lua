-- Counts the tasks that are enqueued.
local enqueued = {}

local function count_enqueued(queue, fn)
  if not counting then return end
  local pair = pair_of(queue, fn)
  enqueued[pair] = (enqueued[pair] or 0) + 1
end

local function write_enqueued(now)
  local key = PREFIX .. ':counts:in:' .. math.floor(now / 60000)
  for pair, number in pairs(enqueued) do
    if redis.call('HINCRBY', key, pair, number) == number then
      redis.call('PEXPIRE', key, RAW_TTL)
      if redis.call('HLEN', key) > MOST_PAIRS and pair ~= OTHER then
        redis.call('HDEL', key, pair)
        redis.call('HINCRBY', key, OTHER, number)
      end
    end
  end
end
