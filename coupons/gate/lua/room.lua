-- Put before each script that calls waiting_room(): numbers, positions and turns of a coupon's waiting room.
--   <coupon>:room      hash: next and end of the block of numbers, block (whose it is), under (the server's identity);
--                      lot_size and lot_key once the lot is drawn
--   <coupon>:room:<n>  hash: user -> number in the order of arrival, from 0
-- A key that somebody else wrote is taken as empty; who arrives again with a ticket is in it again.
local ROOM_SHARDS, LOT_ROUNDS = 10000, 8

-- The position of a number in a lot of `size`: a permutation by key. A Feistel network permutes the numbers below the next
-- square, and what falls outside is permuted again.
local function lot_position(key, size, number)
  local side = math.ceil(math.sqrt(size))
  repeat
    local left, right = math.floor(number / side), number % side
    for round = 1, LOT_ROUNDS do
      local hash = redis.sha1hex(string.format('%s %d %d', key, round, right))
      left, right = right, (left + tonumber(string.sub(hash, 1, 12), 16)) % side
    end
    number = left * side + right
  until number < size
  return number
end

-- text: "rate order" of the coupon's definition.
local function waiting_room(coupon_key, text, starts_at_us)
  local rate, order = string.match(text, '^(%d+) (%a+)$')
  local room = {key = coupon_key .. ':room', by_lot = order == 'lot'}
  local lot = redis.pcall('HMGET', room.key, 'lot_size', 'lot_key')
  if not lot.err then room.lot_size, room.lot_key = tonumber(lot[1]), lot[2] end

  function room.shard(user)
    -- The last nine digits, because a Lua number cannot hold a 64-bit id.
    return room.key .. ':' .. (tonumber(string.sub(user, -9)) % ROOM_SHARDS)
  end
  function room.number(user)
    local number = redis.pcall('HGET', room.shard(user), user)
    return type(number) == 'string' and tonumber(number) or nil
  end
  -- nil: the lot decides it, which is not drawn
  function room.position(number)
    if not room.by_lot then return number end
    if not room.lot_size then return nil end
    if number >= room.lot_size then return number end
    return lot_position(room.lot_key, room.lot_size, number)
  end
  function room.has_turn(user, now_us)
    local number = room.number(user)
    local position = number and room.position(number)
    return position and (now_us - starts_at_us) * rate >= position * 1000000
  end
  return room
end
