-- Makes a coupon unavailable whose keys the gate cannot read; the reconciler then rebuilds it.
-- KEYS[1]  the coupon's hash
-- Returns  1; 0 when the key is no hash of the gate, which is unavailable anyway
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' or redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return 0 end
redis.call('HSET', KEYS[1], 'opened_under', '')
return 1
