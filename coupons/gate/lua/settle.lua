-- Marks requests as final, after their outcome is committed in the ledger, and notifies the waiters.
-- KEYS[1]  the coupon's hash
-- ARGV[1]  "user value user value ...", a value being I<us> issued or R<us>:<reason> rejected
-- Returns  how many marks are new; -1 when the gate does not have the coupon (its rebuild will read the
--          outcome from the ledger)
local coupon = redis.call('HMGET', KEYS[1], 'epoch', 'shards')
if not coupon[1] then return -1 end
local prefix = KEYS[1] .. ':' .. coupon[1]
local pending = prefix .. ':pending'

local marked, issued, rejected, unknown = 0, 0, 0, 0
for user, value in string.gmatch(ARGV[1], '(%d+) (%S+)') do
  local shard = prefix .. ':settled:' .. (tonumber(string.sub(user, -9)) % coupon[2])
  if redis.call('HSETNX', shard, user, value) == 1 then
    -- Not pending: its admission is not in this epoch yet (load.lua is running), or was lost.
    if redis.call('ZREM', pending, user) == 0 then unknown = unknown + 1 end
    marked = marked + 1
    if string.sub(value, 1, 1) == 'I' then issued = issued + 1 else rejected = rejected + 1 end
  end
end
if unknown > 0 then redis.call('HINCRBY', KEYS[1], 'admitted', unknown) end
if issued > 0 then redis.call('HINCRBY', KEYS[1], 'issued', issued) end
if rejected > 0 then redis.call('HINCRBY', KEYS[1], 'rejected', rejected) end
redis.call('PUBLISH', 'coupon:settled', KEYS[1] .. ' ' .. ARGV[1])
return marked
