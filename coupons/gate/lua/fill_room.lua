-- Gives a waiting room what the ledger has reserved or drawn for it.
-- KEYS[1]  the coupon's hash
-- ARGV     "block", its name, the end that it follows, its first number, the one behind its last; or
--          "lot", size, key
-- Returns  1; 0: the gate does not have the coupon, or has another block by now: it is not needed any more
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local key = KEYS[1] .. ':room'
if ARGV[1] == 'lot' then
  redis.call('HSET', key, 'lot_size', ARGV[2], 'lot_key', ARGV[3])
  return 1
end
local block = redis.call('HMGET', key, 'under', 'block', 'end')
if block[1] ~= identity() or block[2] ~= ARGV[2] or block[3] ~= ARGV[3] then return 0 end
redis.call('HSET', key, 'next', ARGV[4], 'end', ARGV[5])
return 1
