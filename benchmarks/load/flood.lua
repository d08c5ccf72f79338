-- wrk: claims by the next users of a file of tokens, answers counted by status.
local tokens, at, threads = {}, 0, {}

function setup(thread) threads[#threads + 1] = thread end

function init(arguments)
  for token in io.lines(arguments[1]) do tokens[#tokens + 1] = token end
  accepted, refused, others = 0, 0, 0
end

function request()
  at = at + 1
  wrk.headers['Authorization'] = 'Bearer ' .. tokens[(at - 1) % #tokens + 1]
  return wrk.format('POST')
end

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
