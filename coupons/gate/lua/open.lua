-- Opens a coupon after its epoch has been loaded: from now on the gate admits.
-- KEYS[1]  the coupon's hash
-- ARGV     epoch
-- Returns  1; 0 when another epoch has begun since, or this server lived another life then and may have
--          forgotten some of what was loaded: this rebuild is void
local coupon = redis.call('HMGET', KEYS[1], 'epoch', 'begun_under')
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if coupon[1] ~= ARGV[1] or coupon[2] ~= run_id then return 0 end
redis.call('HSET', KEYS[1], 'run_id', run_id)
return 1
