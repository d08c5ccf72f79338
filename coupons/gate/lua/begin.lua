-- Begins a new epoch of a coupon: its keys are empty, and it admits nobody until open.lua.
-- KEYS[1]  the coupon's hash
-- ARGV     epoch, shards, then field, value ... of the definition
-- Returns  {1, old epoch, old shards, old audience} ("" without an old epoch), so that the caller can remove
--          their keys; {0} when the gate has this epoch or a newer one already. A key that is no hash, or has no
--          epoch, was written by somebody else, and is replaced
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
local old = redis.call('HMGET', KEYS[1], 'epoch', 'shards', 'audience')
if (tonumber(old[1]) or 0) >= tonumber(ARGV[1]) then return {0} end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'shards', ARGV[2], 'opened_under', '', 'begun_under', identity(),
  'issued', 0, 'rejected', 0, 'admitted', 0, 'compensated', 0, unpack(ARGV, 3))
return {1, tonumber(old[1]) and old[1] or '', tonumber(old[2]) and old[2] or '0',
  string.match(old[3] or '', '^%d+ %d+ %d %d$') or ''}
