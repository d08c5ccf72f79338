-- Replaces a user whom the ledger has erased. The mark stays, under the id that the ledger has now.
-- KEYS[1]  the coupon's hash
-- ARGV     user, the id that replaces it, the mark as the ledger has it: I<us> or R<us>:<reason>
-- Returns  1; 0: the gate does not have this mark of the user. Repeating it is harmless. A claim that the user
--          made since then has another time, and stays
local coupon = redis.call('HMGET', KEYS[1], 'epoch', 'shards')
if not coupon[1] then return 0 end
local function shard(user)
  return KEYS[1] .. ':' .. coupon[1] .. ':settled:' .. (tonumber(string.sub(user, -9)) % coupon[2])
end
if redis.call('HGET', shard(ARGV[1]), ARGV[1]) ~= ARGV[3] then return 0 end
redis.call('HDEL', shard(ARGV[1]), ARGV[1])
if redis.call('HSETNX', shard(ARGV[2]), ARGV[2], ARGV[3]) == 0 then
  -- A rebuild or a repair has read the ledger since, and counted it as another one.
  redis.call('HINCRBY', KEYS[1], string.sub(ARGV[3], 1, 1) == 'I' and 'issued' or 'rejected', -1)
  redis.call('HINCRBY', KEYS[1], 'admitted', -1)
end
return 1
