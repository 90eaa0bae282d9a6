-- Tombstones: a task that is taken away within a minute of its enqueue leaves a mark, so that
-- a repeated enqueue with its id still finds that it was there. A mark is 62 bits of the id's
-- SHA-1, kept in sets of small integers (8 bytes a mark) that expire after one to two minutes.
local YOUNG = 60000

local function tomb(id, window)
  local hash = redis.sha1hex(id)
  local part = tonumber(string.sub(hash, 1, 3), 16) % 1024
  return PREFIX .. ':tomb:' .. window .. ':' .. part, tonumber(string.sub(hash, 4, 16), 16)
end

local function bury(id, now)
  local key, mark = tomb(id, math.floor(now / YOUNG))
  redis.call('SADD', key, mark)
  redis.call('PEXPIRE', key, 2 * YOUNG)
end

local function is_buried(id, now)
  for age = 0, 1 do
    local key, mark = tomb(id, math.floor(now / YOUNG) - age)
    if redis.call('SISMEMBER', key, mark) == 1 then return true end
  end
  return false
end

local function bury_young(id, enqueued_at, now)
  if now - count(enqueued_at) < YOUNG then bury(id, now) end
end

local function forget(id, enqueued_at, now)
  redis.call('DEL', PREFIX .. ':t:' .. id)
  bury_young(id, enqueued_at, now)
end
