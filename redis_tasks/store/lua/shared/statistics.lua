-- What happens is counted minute by minute for each function in each queue (a "pair"): gathered
-- while a script looks at its tasks, written once at its end. summarize.lua makes hours and days
-- of it. The scripts set `counting` to whether that is wanted.
local MOST_PAIRS = 60      -- that are told apart; what comes later counts as OTHER
local LONGEST_PAIR = 300   -- bytes
local OTHER = '\n'
local RAW_TTL = 7200000    -- ms for which a minute waits to be summarized

local counting = false

local function pair_of(queue, fn)
  local pair = queue .. '\n' .. (fn or '')
  return #pair <= LONGEST_PAIR and pair or OTHER
end
