-- What the gate holds of an audience, for a comparison with the ledger.
-- KEYS[1]  the coupon's hash
-- ARGV     version, the first chunk, the last chunk
-- Returns  for each chunk its digest: SHA-1, in hexadecimal; "" when it is not there
local digests = {}
for chunk = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local users = redis.call('GET', KEYS[1] .. ':audience:' .. ARGV[1] .. ':' .. chunk)
  digests[#digests + 1] = users and redis.sha1hex(users) or ''
end
return digests
