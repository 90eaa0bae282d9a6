#!lua
-- uses clock, fields, statistics, arrivals, tombs, wake, put, memory
-- Put new tasks into one queue: all of them or, where Redis is (nearly) full, none.
--
-- KEYS     1 totals  2 queues  3 queue  4 wake-ups  5 where to count, if statistics are wanted
-- ARGV     1 prefix  2 queue's name  3 "front" or "back",
--          then for each task: id, "new" or "again" (an id that may have been sent before),
--          function, arguments, reentrant (1 or 0), timeout (s), meta or "", secret arguments or ""
-- returns  the moment, then a word a task: "new", "repeated" with the status that the task has now
--          (none if it is gone), or "other" (the id is another call's)
local now = clock()
counting = KEYS[5] ~= nil
local words = {now}
local tasks = (#ARGV - 3) / 8
local bytes = 0
for at = 7, #ARGV, 8 do bytes = bytes + #ARGV[at] end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', tasks) - tasks
if not leaves_enough(KEYS[1], seq, tasks, bytes) then return no_memory() end
local added = {}  -- rank, task, rank, task, ...

for i = 1, tasks do
  local at = 3 + (i - 1) * 8
  local id, fn, arguments = ARGV[at + 1], ARGV[at + 3], ARGV[at + 4]
  local word = known(id, ARGV[at + 2] == 'again', fn, arguments, now) or 'new'
  if word == 'new' then
    local number = seq + i
    put(ARGV[2], number, now, id, unpack(ARGV, at + 3, at + 8))
    table.insert(added, ARGV[3] == 'front' and -number or number)
    table.insert(added, id)
  end
  words[i + 1] = word
end

if #added > 0 then
  local more = redis.call('ZADD', KEYS[3], unpack(added))
  redis.call('SADD', KEYS[2], ARGV[2])
  write_enqueued(now)
  add_tokens(KEYS[4], more)
end
return words
