#!lua flags=allow-oom
-- uses clock
-- Take the lead among the schedulers, or keep it: one has it until its lease runs out.
--
-- KEYS     1 lead
-- ARGV     1 prefix  2 scheduler  3 its description  4 lease (ms)
-- returns  the moment (us), "taken" or "kept" if the scheduler leads, else "held", then the term
--          of whoever leads, and its description
local moment = microseconds()
local now, lease = math.floor(moment / 1000), tonumber(ARGV[4])
local lead = redis.call('HMGET', KEYS[1], 'id', 'term', 'until', 'desc')
local term, ends = tonumber(lead[2]) or 0, tonumber(lead[3]) or 0
local word = 'kept'

if lead[1] ~= ARGV[2] then
  -- A lease that ends later than any can: the clock went back, and it says nothing.
  local is_held = ends > now and ends <= now + lease
  if is_held then return {string.format('%.0f', moment), 'held', term, lead[4] or ''} end
  word, term = 'taken', term + 1
  redis.call('HSET', KEYS[1], 'id', ARGV[2], 'desc', ARGV[3], 'term', term, 'since', now)
end
redis.call('HSET', KEYS[1], 'until', now + lease)
return {string.format('%.0f', moment), word, term, ARGV[3]}
