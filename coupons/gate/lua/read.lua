-- Reads the status of requests.
-- KEYS[1]  the coupon's hash
-- ARGV[1]  "user 1 .. user n"
-- Returns  "missing" or "stale"; else "epoch answer 1 .. answer n" as in admit.lua, "-" for no request
local coupon = redis.call('HMGET', KEYS[1], 'opened_under', 'epoch', 'shards')
if not coupon[2] then return 'missing' end
if coupon[1] ~= identity() then return 'stale' end
local prefix = KEYS[1] .. ':' .. coupon[2]

local answers = {coupon[2]}
for user in string.gmatch(ARGV[1], '%d+') do
  local answer = redis.call('HGET', prefix .. ':settled:' .. (tonumber(string.sub(user, -9)) % coupon[3]), user)
  if not answer then
    local score = redis.call('ZSCORE', prefix .. ':pending', user)
    answer = score and string.format('P%.0f', math.floor(score / 2)) or '-'
  end
  answers[#answers + 1] = answer
end
return table.concat(answers, ' ')
