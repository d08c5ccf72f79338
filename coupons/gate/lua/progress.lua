-- How far the requests of a coupon have come, and how many are before one that is not final.
-- KEYS[1]  the coupon's hash
-- ARGV[1]  the user of that request
-- Returns  "missing" or "stale"; else {epoch, final, ahead}
--   final  how many of the coupon's requests are marked as final
--   ahead  how many requests were admitted before it and are not final; -1: it is not pending
local coupon = redis.call('HMGET', KEYS[1], 'opened_under', 'epoch', 'issued', 'rejected')
if not coupon[2] then return 'missing' end
if coupon[1] ~= identity() then return 'stale' end
local ahead = redis.call('ZRANK', KEYS[1] .. ':' .. coupon[2] .. ':pending', ARGV[1])
return {coupon[2], coupon[3] + coupon[4], ahead or -1}
