-- Admits the first in line of a coupon's standby list, in their order, while there are places for them.
-- KEYS[1]  the coupon's hash
-- ARGV[1]  "user 1 .. user n"
-- ARGV[2]  the coupon's total, as the ledger has it
-- ARGV[3]  <us>: not after this time. The ledger holds these users until then
-- Returns  "missing" or "stale": the gate is unavailable; else "epoch answer 1 .. answer n", as admit.lua
local coupon = redis.call('HMGET', KEYS[1], 'opened_under', 'epoch', 'shards', 'issued', 'state', 'audience')
if not coupon[2] then return 'missing' end
if coupon[1] ~= identity() then return 'stale' end

local prefix = KEYS[1] .. ':' .. coupon[2]
local pending = prefix .. ':pending'
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local left = ARGV[2] - coupon[4] - redis.call('ZCARD', pending)
if now_us > tonumber(ARGV[3]) then left = 0 end
-- Open: the gate does not know of the line yet.
local refused = 'sold_out'
if coupon[5] ~= 'sold_out' and coupon[5] ~= 'open' then refused, left = coupon[5], 0 end

local is_listed = coupon[6] and coupon[6] ~= '' and list_of_users(KEYS[1], coupon[6])
local answers, admitted = {coupon[2]}, 0
for user in string.gmatch(ARGV[1], '%d+') do
  local answer = redis.call('HGET', prefix .. ':settled:' .. (tonumber(string.sub(user, -9)) % coupon[3]), user)
  if not answer then
    local score = redis.call('ZSCORE', pending, user)
    if score then
      -- Odd: the promotion writes this claim now, so its reservation must not be given back.
      local requested_at_us = math.floor(score / 2)
      redis.call('ZADD', pending, string.format('%.0f', requested_at_us * 2 + 1), user)
      answer = string.format('P%.0f', requested_at_us)
    elseif is_listed and not is_listed(user) then
      answer = 'not_eligible'
    elseif left > 0 then
      -- Odd: nobody gives this place back. Without a row it is rolled forward.
      redis.call('ZADD', pending, string.format('%.0f', now_us * 2 + 1), user)
      left = left - 1
      admitted = admitted + 1
      answer = string.format('A%.0f', now_us)
    else
      answer = refused
    end
  end
  answers[#answers + 1] = answer
end
if admitted > 0 then redis.call('HINCRBY', KEYS[1], 'admitted', admitted) end
return table.concat(answers, ' ')
