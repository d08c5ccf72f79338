-- Moves a batch from the waiting list to the list in work, in one step, so that no crash loses it.
-- KEYS[1]  the waiting list    KEYS[2]  the list in work
-- ARGV[1]  most entries to take
-- Returns  the entries, oldest first
local taken = redis.call('LPOP', KEYS[1], ARGV[1])
if not taken then return {} end
redis.call('RPUSH', KEYS[2], unpack(taken))
return taken
