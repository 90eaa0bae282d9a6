#!lua flags=allow-oom
-- uses clock, fields, statistics, counts
-- Sum up the minutes that are over, each into its hour, its day and the total.
--
-- KEYS     1 totals  2 names of pairs  3 the total of all times  4 groups of failures
-- ARGV     1 prefix  2 how long a group of failures is kept (ms)
-- returns  how many minutes there were
local MINUTE_TTL, HOUR_TTL, DAY_TTL = 4500, 9 * 86400, 33 * 86400  -- s
local FORGOTTEN = 34  -- days after which the number of a pair may be another's
local now = clock()
local minute, day = math.floor(now / 60000), math.floor(now / 86400000)

local numbers_of, taken, names = {}, {}, redis.call('HGETALL', KEYS[2])
local pruned = {}
for i = 1, #names, 2 do
  local number, seen = string.match(names[i + 1], '^(%d+) (%d+)$')
  if not number or day - seen > FORGOTTEN then
    redis.call('HDEL', KEYS[2], names[i])
    if number then pruned[number] = true end
  else
    numbers_of[names[i]] = {tonumber(number), tonumber(seen)}
    taken[tonumber(number)] = true
  end
end

-- OTHER is 0.
local function number_of(pair)
  if pair == OTHER then return '0' end
  local known = numbers_of[pair]
  if not known then
    local free = 1
    while taken[free] do free = free + 1 end
    if free > MOST_PAIRS then return '0' end
    known = {free, 0}
    taken[free], numbers_of[pair] = true, known
  end
  if known[2] ~= day then
    known[2] = day
    redis.call('HSET', KEYS[2], pair, known[1] .. ' ' .. day)
  end
  return tostring(known[1])
end

-- Sums by the key that they belong to: key -> number of the pair -> enqueued, then a run's numbers.
local sums, kept_for = {}, {}

local function add(key, ttl, pair, values)
  sums[key] = sums[key] or {}
  kept_for[key] = ttl
  local held = sums[key][pair] or {}
  for i = 1, NUMBERS + 1 do held[i] = (held[i] or 0) + (tonumber(values[i]) or 0) end
  sums[key][pair] = held
end

local function add_everywhere(at, pair, values)
  local levels = PREFIX .. ':counts:'
  local number = number_of(pair)
  add(levels .. 'minute:' .. at, MINUTE_TTL, number, values)
  add(levels .. 'hour:' .. math.floor(at / 60), HOUR_TTL, number, values)
  add(levels .. 'day:' .. math.floor(at / 1440), DAY_TTL, number, values)
  add(KEYS[3], 0, number, values)
end

local function take(at)
  local key = PREFIX .. ':counts:in:' .. at
  local into = redis.call('HGETALL', key)
  for i = 1, #into, 2 do add_everywhere(at, into[i], {into[i + 1]}) end
  local out_key = PREFIX .. ':counts:out:' .. at
  local out = redis.call('HGETALL', out_key)
  for i = 1, #out, 2 do
    if #out[i + 1] == 8 * NUMBERS then
      add_everywhere(at, out[i], {0, struct.unpack(FORMAT, out[i + 1])})
    end
  end
  if #into + #out > 0 then redis.call('DEL', key, out_key) end
end

local function add_held(key)
  local known, held = pcall(cjson.decode, redis.call('GET', key) or '{}')
  if not known or type(held) ~= 'table' then return end
  for pair, values in pairs(held) do
    local is_others = key == KEYS[3] and pruned[pair]
    if type(values) == 'table' and not is_others then add(key, kept_for[key], pair, values) end
  end
end

local function shortened(values)
  local last = #values
  while last > 1 and values[last] == 0 do
    values[last] = nil
    last = last - 1
  end
  return values
end

local done = tonumber(redis.call('HGET', KEYS[1], 'summed')) or 0
local first = math.max(done + 1, minute - RAW_TTL / 60000)
for at = first, minute - 1 do take(at) end
for key in pairs(sums) do add_held(key) end
for key, by_pair in pairs(sums) do
  for _, values in pairs(by_pair) do shortened(values) end
  redis.call('SET', key, cjson.encode(by_pair))
  if kept_for[key] > 0 then redis.call('EXPIRE', key, kept_for[key]) end
end
redis.call('HSET', KEYS[1], 'summed', minute - 1)

local old = redis.call('ZRANGE', KEYS[4], '-inf', now - ARGV[2], 'BYSCORE', 'LIMIT', 0, 100)
for _, group in ipairs(old) do
  redis.call('ZREM', KEYS[4], group)
  redis.call('DEL', PREFIX .. ':failure:' .. group)
end
return math.max(0, minute - first)
