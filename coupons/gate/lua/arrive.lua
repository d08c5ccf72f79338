-- Takes arrivals in the waiting room of one coupon, each atomically, or says where users are.
-- KEYS[1]  the coupon's hash
-- ARGV[1]  "user groups number ...": groups "." for none; number: of the user's ticket, "+" without one, or "?" to only
--          look
-- ARGV[2]  a text that was never used, which names the next block if a new one has to begin
-- ARGV[3]  how long before the opening the lot is drawn, in microseconds
-- Returns  "missing", "stale", "no_room", "closed" or "sold_out": of them all, and nothing was done;
--          "draw <n> <v>": the lot has to be drawn first, among the first n numbers ("-": not known), unless the coupon
--          has a newer version than v; nothing was done; else
--          "now starts room next block end answer ..." with an answer for each: "number position" ("-": the lot is not
--          drawn yet), "- -": has not arrived, "- not_eligible", or "- full": the block has to be replaced first
local coupon = redis.call('HMGET', KEYS[1], 'opened_under', 'epoch', 'total', 'issued', 'starts_at_us', 'ends_at_us',
  'state', 'eligible_group', 'room', 'audience', 'version')
if not coupon[2] then return 'missing' end
local here = identity()
if coupon[1] ~= here then return 'stale' end
if not coupon[9] or coupon[9] == '' then return 'no_room' end
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
if coupon[7] == 'closed' or coupon[6] ~= '' and now_us >= tonumber(coupon[6]) then return 'closed' end
-- The state says so, too, when somebody gave a place back and a line waits for it.
local pending = redis.call('ZCARD', KEYS[1] .. ':' .. coupon[2] .. ':pending')
if coupon[7] == 'sold_out' or coupon[3] - coupon[4] - pending <= 0 then return 'sold_out' end

-- Calls Redis; a key that is no hash is removed before. For any other error nothing is: it is raised.
local function replacing(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if string.find(answer.err, 'WRONGTYPE', 1, true) then redis.call('DEL', key) end
  return redis.call(command, key, ...)
end

local room = waiting_room(KEYS[1], coupon[9], coupon[5])
-- After a restart or a failover the server may have forgotten which numbers it gave last: that block is over.
local block = replacing('HMGET', room.key, 'under', 'block', 'next', 'end')
local name, first, last = block[2], tonumber(block[3]), tonumber(block[4])
if block[1] ~= here or not (name and first and last) then
  name, first, last = ARGV[2], 0, 0
  redis.call('HSET', room.key, 'under', here, 'block', name, 'next', 0, 'end', 0)
end
if room.by_lot and not room.lot_size and now_us >= coupon[5] - ARGV[3] then
  return string.format('draw %s %s', last > 0 and string.format('%.0f', first) or '-', coupon[11])
end

local is_listed = coupon[10] and coupon[10] ~= '' and list_of_users(KEYS[1], coupon[10])
local function is_eligible(user, groups)
  local group = coupon[8]
  return (group == '' or string.find(',' .. groups .. ',', ',' .. group .. ',', 1, true))
    and (not is_listed or is_listed(user))
end
local function put(user, number)
  replacing('HSET', room.shard(user), user, string.format('%.0f', number))
end

-- Before any number is given, because it raises an error if a part of the list is lost.
local eligible = {}
for user, groups, given in string.gmatch(ARGV[1], '(%d+) (%S+) (%S+)') do
  eligible[#eligible + 1] = given == '+' and is_eligible(user, groups)
end

local answers, began, at = {}, first, 0
for user, given in string.gmatch(ARGV[1], '(%d+) %S+ (%S+)') do
  at = at + 1
  local number, why = room.number(user), '-'
  local ticket = tonumber(given)
  if ticket and (not number or ticket < number) then
    number = ticket
    put(user, number)
  elseif not number and given ~= '?' then
    if not eligible[at] then
      why = 'not_eligible'
    elseif first < last then
      number = first
      first = first + 1
      put(user, number)
    else
      why = 'full'
    end
  end
  local position = number and room.position(number)
  answers[#answers + 1] = number and string.format('%.0f', number) or '-'
  answers[#answers + 1] = position and string.format('%.0f', position) or why
end
if first > began then redis.call('HSET', room.key, 'next', string.format('%.0f', first)) end
return string.format('%.0f %s %s %.0f %s %.0f %s', now_us, coupon[5], coupon[9], first, name, last,
  table.concat(answers, ' '))
