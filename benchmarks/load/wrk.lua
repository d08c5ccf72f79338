-- wrk: each request is a claim by the next user of the file of tokens named on the command line.
local tokens, at = {}, 0

function init(arguments)
  for token in io.lines(arguments[1]) do tokens[#tokens + 1] = token end
end

function request()
  at = at + 1
  wrk.headers['Authorization'] = 'Bearer ' .. tokens[(at - 1) % #tokens + 1]
  return wrk.format('POST')
end
