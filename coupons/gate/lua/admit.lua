-- Admits or refuses a batch of claims of one coupon, each atomically, by this server's clock.
-- KEYS[1]  the coupon's hash
-- ARGV[1]  "user 1 .. user n": one text, because it is cheaper to send than n arguments
-- ARGV[2]  "groups 1 .. groups n" of these users, "." for none; "" when no user has groups
-- Returns  "missing" or "stale": the gate is unavailable; else "epoch answer 1 .. answer n", each
--   A<us>  admitted now: requested at <us>         P<us>  admitted before, and not yet final
--   I<us>, R<us>:<reason>  final already            otherwise the reason of a refusal
local coupon = redis.call('HMGET', KEYS[1], 'opened_under', 'epoch', 'shards', 'total', 'issued',
  'starts_at_us', 'ends_at_us', 'state', 'eligible_group', 'audience', 'room')
if not coupon[2] then return 'missing' end
if coupon[1] ~= identity() then return 'stale' end

local epoch, shards = coupon[2], tonumber(coupon[3])
local eligible_group = coupon[9]
local prefix = KEYS[1] .. ':' .. epoch
local pending = prefix .. ':pending'
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local left = coupon[4] - coupon[5] - redis.call('ZCARD', pending)

local refused_for_all
if coupon[8] ~= 'open' then
  refused_for_all = coupon[8]
elseif now_us < tonumber(coupon[6]) then
  refused_for_all = 'not_open'
elseif coupon[7] ~= '' and now_us >= tonumber(coupon[7]) then
  refused_for_all = 'closed'
end

local function is_eligible(groups)
  return eligible_group == '' or string.find(',' .. (groups or '') .. ',', ',' .. eligible_group .. ',', 1, true)
end

local is_listed = coupon[10] and coupon[10] ~= '' and list_of_users(KEYS[1], coupon[10])
-- Without a waiting room nothing more is read; a gate that an older version has loaded has no such field.
local room = coupon[11] and coupon[11] ~= '' and waiting_room(KEYS[1], coupon[11], coupon[6])

local groups_of = string.gmatch(ARGV[2], '%S+')
local answers, admitted = {epoch}, 0
for user in string.gmatch(ARGV[1], '%d+') do
  local groups = groups_of()
  -- The last nine digits, because a Lua number cannot hold a 64-bit id.
  local shard = prefix .. ':settled:' .. (tonumber(string.sub(user, -9)) % shards)
  local answer = redis.call('HGET', shard, user)
  if not answer then
    local score = redis.call('ZSCORE', pending, user)
    if score then
      -- Odd: this claim was tried more than once, so its reservation must not be given back.
      local requested_at_us = math.floor(score / 2)
      redis.call('ZADD', pending, string.format('%.0f', requested_at_us * 2 + 1), user)
      answer = string.format('P%.0f', requested_at_us)
    elseif refused_for_all then
      answer = refused_for_all
    elseif not is_eligible(groups) or is_listed and not is_listed(user) then
      answer = 'not_eligible'
    elseif left <= 0 then
      answer = 'sold_out'
    elseif room and not room.has_turn(user, now_us) then
      answer = 'not_your_turn'
    else
      redis.call('ZADD', pending, string.format('%.0f', now_us * 2), user)
      left = left - 1
      admitted = admitted + 1
      answer = string.format('A%.0f', now_us)
    end
  end
  answers[#answers + 1] = answer
end
if admitted > 0 then redis.call('HINCRBY', KEYS[1], 'admitted', admitted) end
return table.concat(answers, ' ')
