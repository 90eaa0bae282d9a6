-- Wake-up tokens: as many as the queue has tasks, at most 64.
local WAKE_LIMIT = 64

local function trim_tokens(queue, wake)
  local waiting = redis.call('ZCARD', queue)
  if waiting == 0 then
    redis.call('DEL', wake)
  elseif waiting < WAKE_LIMIT then
    redis.call('LTRIM', wake, 0, waiting - 1)
  end
end

local function add_tokens(queue, wake, added)
  local limit = math.min(WAKE_LIMIT, redis.call('ZCARD', queue))
  local missing = math.min(added, limit - redis.call('LLEN', wake))
  local tokens = {}
  for i = 1, missing do tokens[i] = '1' end
  if missing > 0 then redis.call('RPUSH', wake, unpack(tokens)) end
end
