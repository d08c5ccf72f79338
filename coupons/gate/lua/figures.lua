-- The counts of a coupon, all of the same moment.
-- KEYS[1]  the coupon's hash
-- Returns  "missing", or {state, epoch, version, shards, total, admitted, compensated, pending, issued, rejected, audience}, state being
--   open   it admits       loading  a rebuild has begun on this server, and has not opened it
--   stale  the server has another identity than when the coupon was loaded
local c = redis.call('HMGET', KEYS[1], 'opened_under', 'epoch', 'version', 'shards', 'total', 'admitted', 'compensated',
  'issued', 'rejected', 'begun_under', 'audience')
if not c[2] then return 'missing' end
local here = identity()
local state = 'stale'
if c[1] == here then state = 'open' elseif c[1] == '' and c[10] == here then state = 'loading' end
local pending = redis.call('ZCARD', KEYS[1] .. ':' .. c[2] .. ':pending')
return {state, c[2], c[3], c[4], c[5], c[6], c[7], pending, c[8], c[9], c[11] or ''}
