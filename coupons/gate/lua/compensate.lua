-- Gives back admissions: of claims that were admitted once, tried once, and definitely not written.
-- KEYS[1]  the coupon's hash
-- ARGV     epoch, then for each claim: user, the <us> at which it was admitted
-- Returns  how many were given back. A claim that was tried again since is kept (its score is odd), and so is
--          one that was admitted again (its score differs). For an older epoch: 0, because its keys are gone.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
local pending = KEYS[1] .. ':' .. ARGV[1] .. ':pending'
local given_back = 0
for i = 2, #ARGV, 2 do
  local score = redis.call('ZSCORE', pending, ARGV[i])
  if score and tonumber(score) == ARGV[i + 1] * 2 then
    given_back = given_back + redis.call('ZREM', pending, ARGV[i])
  end
end
if given_back > 0 then redis.call('HINCRBY', KEYS[1], 'compensated', given_back) end
return given_back
