-- One body, posted again and again; at the end one line of JSON with what wrk knows exactly. Environment: BODY (a file), CONTENT_TYPE, HEADER (Name: value).
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = os.getenv("CONTENT_TYPE") or "application/json"
local name, value = (os.getenv("HEADER") or ""):match("^([^:]+): (.*)$")
if name then wrk.headers[name] = value end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    'RESULT{"requests":%d,"seconds":%.6f,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,"errors":%d,"not_2xx":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
    e.connect + e.read + e.write + e.timeout, e.status))
end
