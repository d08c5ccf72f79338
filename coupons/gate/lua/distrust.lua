-- Closes a coupon whose keys are not what the gate writes: the reconciler finds it closed, and rebuilds it.
-- KEYS[1]  the coupon's hash
-- Returns  1; 0 when that is no hash of the gate's, which is closed as it is
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' or redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return 0 end
redis.call('HSET', KEYS[1], 'opened_under', '')
return 1
