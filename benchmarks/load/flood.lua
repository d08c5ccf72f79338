-- wrk: as wrk.lua, and answers are counted by status. To be run in the folder of both.
dofile('wrk.lua')
local threads = {}
accepted, refused, others = 0, 0, 0

function setup(thread) threads[#threads + 1] = thread end

function response(status)
  if status == 202 or status == 200 then accepted = accepted + 1
  elseif status == 503 then refused = refused + 1
  else others = others + 1 end
end

function done(summary)
  local sums = { accepted = 0, refused = 0, others = 0 }
  for _, thread in ipairs(threads) do
    for name in pairs(sums) do sums[name] = sums[name] + thread:get(name) end
  end
  local failed = summary.errors
  io.write(string.format('{"accepted": %d, "refused": %d, "others": %d, "errors": %d}\n',
    sums.accepted, sums.refused, sums.others,
    failed.connect + failed.read + failed.write + failed.timeout))
end
