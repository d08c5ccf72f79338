-- Changes the definition of a coupon that the gate has: state, window, total.
-- KEYS[1]  the coupon's hash
-- ARGV     version, then field, value ... of the definition
-- Returns  1; 0 when the gate does not have the coupon, or has this version or a newer one
local version = redis.call('HGET', KEYS[1], 'version')
if not version or tonumber(version) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
