-- Opens a coupon after its epoch is loaded: from now on the gate admits.
-- KEYS[1]  the coupon's hash
-- ARGV     epoch, how many requests were loaded
-- Returns  1; 0 when another epoch has begun since, the server has changed or restarted since, or it holds
--          fewer than were loaded (it may have lost some): this rebuild is void
local coupon = redis.call('HMGET', KEYS[1], 'epoch', 'begun_under', 'issued', 'rejected')
local here = identity()
if coupon[1] ~= ARGV[1] or coupon[2] ~= here then return 0 end
local pending = redis.call('ZCARD', KEYS[1] .. ':' .. coupon[1] .. ':pending')
if pending + coupon[3] + coupon[4] < tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'opened_under', here)
return 1
