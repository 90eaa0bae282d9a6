-- Reads records that another program may have written or spoilt: what is missing or is no record
-- at all reads as nothing. An error would end a script half-way, with others' tasks in its hands.
local function fields(id, ...)
  local values = redis.pcall('HMGET', PREFIX .. ':t:' .. id, ...)
  return values.err and {} or values
end

-- A whole number below 10^13, in whichever way Lua can read it; 0 for whatever else stands there,
-- "nan" and "inf" among it.
local function count(value)
  local number = tonumber(value)
  return number and number > 0 and number < 1e13 and number % 1 == 0 and number or 0
end
