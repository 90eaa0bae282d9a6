#!lua flags=allow-oom
-- uses clock
-- Take note of entries of the schedule: one that is new, or has another schedule, counts from now.
--
-- KEYS     1 lead
-- ARGV     1 prefix  2 scheduler  3 term, then for each entry: id, fingerprint of its schedule,
--          how long its state is kept (ms)
-- returns  nil if the lead was lost, else for each entry the moment (us) up to which its ticks
--          are done
local lead = redis.call('HMGET', KEYS[1], 'id', 'term')
if lead[1] ~= ARGV[2] or lead[2] ~= ARGV[3] then return false end

local now = string.format('%.0f', microseconds())
local done = {}
for i = 4, #ARGV, 3 do
  local key = ARGV[1] .. ':s:' .. ARGV[i]
  local state = redis.call('HMGET', key, 'fp', 'last')
  local last = state[1] == ARGV[i + 1] and state[2] or now
  redis.call('HSET', key, 'fp', ARGV[i + 1], 'last', last)
  redis.call('PEXPIRE', key, ARGV[i + 2])
  table.insert(done, last)
end
return done
