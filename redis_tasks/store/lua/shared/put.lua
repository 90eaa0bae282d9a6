-- New tasks: what is known of an id, and what the record of one says. The caller ranks it.
local function known(id, again, fn, arguments, now)
  -- Also asked for a "new" id: its first sending may arrive after its repetition.
  if redis.call('EXISTS', PREFIX .. ':t:' .. id) == 0 then
    return again and is_buried(id, now) and 'repeated'
  end
  local record = fields(id, 'fn', 'args', 'less', 'st')
  local same = record[1] == fn and (record[3] or record[2] == arguments)
  return same and 'repeated ' .. (record[4] or '') or 'other'
end

-- Writes a new task's record; its place in the queue is the caller's.
local function put(queue, number, now, id, fn, arguments, reentrant, timeout, meta, secret, graph)
  local record = {'st', 'queued', 'q', queue, 'fn', fn, 'args', arguments, 'enq', now,
                  'to', timeout, 'seq', number}
  if reentrant == '1' then table.insert(record, 're') table.insert(record, 1) end
  if meta ~= '' then table.insert(record, 'meta') table.insert(record, meta) end
  if secret ~= '' then table.insert(record, 'sec') table.insert(record, secret) end
  if graph then table.insert(record, 'g') table.insert(record, graph) end
  redis.call('HSET', PREFIX .. ':t:' .. id, unpack(record))
  count_enqueued(queue, fn)
end
