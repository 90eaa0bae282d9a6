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

-- For tasks that were just added: tokens were no more than tasks before, so they are no more now.
local function add_tokens(wake, added)
  local missing = math.min(added, WAKE_LIMIT - redis.call('LLEN', wake))
  if missing == 1 then
    redis.call('RPUSH', wake, '1')
  elseif missing > 1 then
    local tokens = {}
    for i = 1, missing do tokens[i] = '1' end
    redis.call('RPUSH', wake, unpack(tokens))
  end
end
