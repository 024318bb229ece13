-- wrk script: the same POST over and over, each with an id of its own (a legacy session may not see one id twice at a time).
-- Arguments after `--`: the body's file, whose id is the eight digits 10000000, then header lines "Name: value".
local requests, at = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local body = file:read("*a")
  file:close()
  local headers = {}
  for i = 2, #args do
    local name, value = args[i]:match("^([^:]+): (.*)$")
    headers[name] = value
  end
  local before, after = body:match("^(.-)10000000(.*)$")
  for i = 1, 1024 do
    requests[i] = wrk.format("POST", nil, headers, before .. (10000000 + i) .. after)
  end
end

function request()
  at = at % 1024 + 1
  return requests[at]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %.6f, "p50_us": %d, "p90_us": %d, "p99_us": %d, "max_us": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency.max, e.connect + e.read + e.write + e.status + e.timeout))
end
