#!lua flags=allow-oom
-- uses clock, fields, statistics, counts, failures, tombs, wake, graph, registry, ends, room
-- Record how some runs ended, each only if the record still says that the run is the caller's.
--
-- KEYS     1 totals  2 where to count, if statistics are wanted
-- ARGV     1 prefix  2 finished tasks kept  3 failed tasks kept  4 bytes kept  5 crashes allowed
--          6 releases allowed  7 1 if middleware is to hear of killed runs, else ""
--          then for each run: task, worker, run, move, reason, text;
--          move: finish, fail, interrupt (function began), crash, release (it had not begun)
-- returns  for each run: {"finished" or "queued"}, {"failed", reason}, {"already"} (settled before),
--          {"lost"} (no longer the caller's) or {"gone"} (no such task)
local now = clock()
counting = KEYS[2] ~= nil
local max_crashes, max_releases = tonumber(ARGV[5]), tonumber(ARGV[6])

local function apply(task, id, move, reason, text)
  if move == 'finish' then return finish(task, id, now) end
  if move == 'fail' then return fail(task, id, reason, text, now) end
  if move == 'interrupt' then return interrupt(task, id, reason, text, now) end
  if move == 'crash' then return crash(task, id, reason, text, now, max_crashes) end
  return release(task, id, text, now, max_releases)
end

-- The lost run of a task that nobody else may start: its late result is the true one.
local function settle_late(task, id, move, reason, text)
  if move ~= 'finish' and move ~= 'fail' then return 'already' end
  leave_registry('failed', task['end'], id)
  grown.failed = grown.failed - count(task.sz)
  redis.call('HDEL', PREFIX .. ':t:' .. id, 'why', 'err', 'gist')
  return apply(task, id, move, reason, text)
end

local function settle(id, worker, run, move, reason, text)
  local task = read(id)
  if not task.st then return 'gone' end
  if task.w ~= worker or task.run ~= run then
    -- It was given up as crashed, but its supervisor lived and had stopped it in good order.
    if move == 'interrupt' and task.lost == worker .. ' ' .. run then
      redis.call('HSET', PREFIX .. ':t:' .. id, 'crash', math.max(0, count(task.crash) - 1))
      redis.call('HDEL', PREFIX .. ':t:' .. id, 'lost')
    end
    return 'lost'
  end
  if task.st == 'running' then
    leave_worker(task, id)
    return apply(task, id, move, reason, text)
  end
  if task.st == 'failed' and task.why == 'lost' then
    return settle_late(task, id, move, reason, text)
  end
  return 'already'
end

local words = {}
for i = 8, #ARGV, 6 do
  table.insert(words, {settle(unpack(ARGV, i, i + 5))})
end
write_places()
write_counts(now)
if ARGV[7] == '1' then keep_unreported(now) end
keep_bounded(tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), now)
return words
