-- Put before each script that calls identity(): which data this server holds, and in which life.
-- run_id is another after a restart, and is of this server alone. master_replid is another after each
-- promotion, also of a server that was the master before, kept running, and took over another one's data
-- in between. Neither tells both. The server itself says them: no client can be wrong about it.
local function info_field(section, field)
  local info = redis.call('INFO', section)
  -- A plain find costs half of what a pattern does, so that two fields cost what one did.
  local _, last = string.find(info, field, 1, true)
  return string.sub(info, last + 1, last + 40)
end
local function identity()
  return info_field('server', 'run_id:') .. ' ' .. info_field('replication', 'master_replid:')
end
