-- Reads records that another program may have written or spoilt: what is missing or is no record
-- at all reads as nothing. An error would end a script half-way, with others' tasks in its hands.
local function fields(id, ...)
  local values = redis.pcall('HMGET', PREFIX .. ':t:' .. id, ...)
  return values.err and {} or values
end

local function count(value)
  return value and #value < 14 and tonumber(string.match(value, '^%d+$')) or 0
end
