-- Posts the bodies of a file in turn; prints what was measured as one line of JSON, times in ms.

local prepared = {}
local turn = 0

function init(args)
  wrk.headers["content-type"] = "application/json"
  for line in io.lines(args[1]) do
    prepared[#prepared + 1] = wrk.format("POST", nil, nil, line)
  end
end

function request()
  turn = turn % #prepared + 1
  return prepared[turn]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.4f, "p99": %.4f, "p999": %.4f, ' ..
    '"non_2xx": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
