-- Changes the audience of a coupon that the gate has, at once.
-- KEYS[1]  the coupon's hash
-- ARGV[1]  "": everybody; else "version chunks low high", whose chunks are loaded
-- Returns  1; 0: the gate does not have the coupon, or has lost a chunk since
if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return 0 end
local version, chunks = string.match(ARGV[1], '^(%d+) (%d+) ')
for chunk = 0, (tonumber(chunks) or 0) - 1 do
  if redis.call('EXISTS', KEYS[1] .. ':audience:' .. version .. ':' .. chunk) == 0 then return 0 end
end
redis.call('HSET', KEYS[1], 'audience', ARGV[1])
return 1
