-- Decides claims by rate limits, in their order, and counts those that all limits allow.
-- Before it come `look` and `take`, the scripts of the library `limits` as functions: they read a
-- window that slides, and count in it. The time is that of this server.
-- ARGV[1]  "name claims seconds" of each limit, one after the other
-- ARGV[2]  whom each claim is counted for, by each limit: "42 192.0.2.1 43 192.0.2.1"
-- Returns  for each claim "A" (allowed, and counted) or "R" (refused, and not counted), then for
--          each limit the claims that are left, and the milliseconds until there is one more
local limits = {}
for name, claims, seconds in string.gmatch(ARGV[1], '(%S+) (%d+) (%d+)') do
  limits[#limits + 1] = {name = name, claims = tonumber(claims), seconds = tonumber(seconds)}
end

local function window_of(limit, whom)
  local now = string.format('limit:{%s:%s:%d/%d}', limit.name, whom, limit.claims, limit.seconds)
  local keys = {now .. ':before', now}
  local read = look(keys, {limit.seconds})
  local before, before_ms = tonumber(read[1]) or 0, math.max(0, read[2])
  local window_ms = limit.seconds * 1000
  local weighted = before * before_ms / window_ms
  -- The key of this window expires one window after its end; without a key, it begins now.
  local more_ms = read[4] > 0 and read[4] - window_ms or window_ms
  if weighted >= 1 then more_ms = math.min(more_ms, before_ms % (window_ms / before)) end
  local counted = math.floor(weighted) + (tonumber(read[3]) or 0)
  return {keys = keys, left = limit.claims - counted, more_ms = more_ms}
end

local answers = {}
local whom_of = string.gmatch(ARGV[2], '%S+')
local whom = whom_of()
while whom do
  local windows, allowed = {}, true
  for i, limit in ipairs(limits) do
    windows[i] = window_of(limit, whom)
    allowed = allowed and windows[i].left > 0
    whom = whom_of()
  end
  answers[#answers + 1] = allowed and 'A' or 'R'
  for i, limit in ipairs(limits) do
    local window = windows[i]
    if allowed then
      take(window.keys, {limit.claims, limit.seconds, 1})
      window.left = window.left - 1
    end
    answers[#answers + 1] = string.format('%.0f %.0f', math.max(0, window.left), window.more_ms)
  end
end
return table.concat(answers, ' ')
