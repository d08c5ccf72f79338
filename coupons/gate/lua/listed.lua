-- Put before each script that calls list_of_users(): whether a user is on the list that a coupon is open to.
--   <coupon>:audience:<version>:<chunk>  string: see 0026_audiences.sql for the form

-- text: "version chunks low high" of the coupon's hash. Returns a function of the user. It raises an error if a chunk is
-- lost: the coupon becomes unavailable, and is rebuilt.
local function list_of_users(coupon_key, text)
  local version, chunks, low, high = string.match(text, '^(%d+) (%d+) (%d) (%d)$')
  chunks, low, high = tonumber(chunks), tonumber(low), tonumber(high)
  local form = '>I' .. low .. (high == 0 and '' or 'I' .. high)
  local width = low + high
  return function(user)
    -- In two numbers, because a Lua number cannot hold a 64-bit id: user = first * 10^9 + last.
    local first, last = tonumber(string.sub(user, 1, -10)) or 0, tonumber(string.sub(user, -9))
    local rest = first % chunks * 1000000000 + last
    local chunk = rest % chunks
    local lower, higher = (rest - chunk) / chunks, (first - first % chunks) / chunks
    if lower >= 256 ^ low or higher >= 256 ^ high then return false end
    local users = redis.call('GET', coupon_key .. ':audience:' .. version .. ':' .. chunk)
    local record, at = struct.pack(form, lower, higher), 1
    repeat
      at = string.find(users, record, at + 1, true)  -- the first byte is a dot
    until not at or (at - 2) % width == 0
    return at
  end
end

