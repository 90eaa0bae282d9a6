-- Counts the runs that end.
local BOUNDS = {10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000}  -- ms

-- A run's numbers: 1 finished  2 failed  3 requeued  4 ms waited  5 ms run
-- 6 to 17 waits by bucket  18 to 29 runs by bucket: up to each bound, then beyond.
local KINDS = {finished = 1, failed = 2, requeued = 3}
local NUMBERS = 29
local FORMAT = '<ddddddddddddddddddddddddddddd'  -- as many; to repeat one takes its time each call
local counts = {}

local function add_time(numbers, sum, bucket, ms)
  if ms < 0 then ms = 0 end
  numbers[sum] = numbers[sum] + ms
  for _, bound in ipairs(BOUNDS) do
    if ms <= bound then break end
    bucket = bucket + 1
  end
  numbers[bucket] = numbers[bucket] + 1
end

local function add_all(numbers, more)
  for i = 1, #numbers do numbers[i] = numbers[i] + (more[i] or 0) end
end

local function count_run(task, kind, now)
  if not counting then return end
  local pair = pair_of(task.q, task.fn)
  local numbers = counts[pair]
  if not numbers then
    numbers = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
    counts[pair] = numbers
  end
  numbers[KINDS[kind]] = numbers[KINDS[kind]] + 1
  local start = count(task.start)
  if kind ~= 'requeued' and start > 0 then
    add_time(numbers, 5, 18, now - start)
    -- How long a task waits anew after an interruption says nothing of its queue.
    if task.run == '1' then add_time(numbers, 4, 6, start - count(task.enq)) end
  end
end

local write_counts
function write_counts(now)
  local pairs_ = {}
  for pair in pairs(counts) do pairs_[#pairs_ + 1] = pair end
  if #pairs_ == 0 then return end
  local key = PREFIX .. ':counts:out:' .. math.floor(now / 60000)
  local held = redis.call('HMGET', key, unpack(pairs_))
  local changed, room, rest = {}, nil, nil
  for i, pair in ipairs(pairs_) do
    local numbers = counts[pair]
    if held[i] and #held[i] == 8 * NUMBERS then
      add_all(numbers, {struct.unpack(FORMAT, held[i])})
    else
      room = (room or MOST_PAIRS - redis.call('HLEN', key)) - 1
    end
    if (room or 0) < 0 and not held[i] and pair ~= OTHER then
      if rest then add_all(rest, numbers) else rest = numbers end
    else
      changed[#changed + 1] = pair
      changed[#changed + 1] = struct.pack(FORMAT, unpack(numbers))
    end
  end
  if #changed > 0 then redis.call('HSET', key, unpack(changed)) end
  if room then redis.call('PEXPIRE', key, RAW_TTL) end
  counts = {[OTHER] = rest}
  return write_counts(now)
end
