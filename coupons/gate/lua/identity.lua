-- Put before each script that calls identity(): it identifies the server process and its data.
-- run_id changes with each restart, and belongs to this server only. master_replid changes with each
-- promotion, also of a server that was the master before, kept running, and got another server's data in
-- between. Both are needed. The server itself reports them, so no client can be wrong about them.
local function info_field(section, field)
  local info = redis.call('INFO', section)
  -- A plain find costs half as much as a pattern, so two fields cost as much as one pattern.
  local _, last = string.find(info, field, 1, true)
  return string.sub(info, last + 1, last + 40)
end
local function identity()
  return info_field('server', 'run_id:') .. ' ' .. info_field('replication', 'master_replid:')
end
