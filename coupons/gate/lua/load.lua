-- Loads requests of the ledger into an epoch that has begun. Marks that were set meanwhile stay.
-- KEYS[1]  the coupon's hash
-- ARGV[1]  epoch
-- ARGV[2]  "user value user value ...", a value being P<us>, I<us> or R<us>:<reason>
-- Returns  1; 0 when another epoch has begun since, or the server has changed or restarted since: this
--          rebuild is void
local coupon = redis.call('HMGET', KEYS[1], 'epoch', 'shards', 'begun_under')
if coupon[1] ~= ARGV[1] or coupon[3] ~= identity() then return 0 end
local prefix = KEYS[1] .. ':' .. coupon[1]

local pending, issued, rejected = 0, 0, 0
for user, value in string.gmatch(ARGV[2], '(%d+) (%S+)') do
  local shard = prefix .. ':settled:' .. (tonumber(string.sub(user, -9)) % coupon[2])
  local kind = string.sub(value, 1, 1)
  if kind == 'P' then
    if redis.call('HEXISTS', shard, user) == 0 then
      -- Odd: its row exists, so its reservation must not be given back.
      pending = pending + redis.call('ZADD', prefix .. ':pending', string.format('%.0f', string.sub(value, 2) * 2 + 1), user)
    end
  elseif redis.call('HSETNX', shard, user, value) == 1 then
    if kind == 'I' then issued = issued + 1 else rejected = rejected + 1 end
  end
end
redis.call('HINCRBY', KEYS[1], 'issued', issued)
redis.call('HINCRBY', KEYS[1], 'rejected', rejected)
redis.call('HINCRBY', KEYS[1], 'admitted', pending + issued + rejected)
return 1
