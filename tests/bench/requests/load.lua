-- The load of one run, for wrk. Its arguments, after `--`:
--
--   list     file of the requests: a line is the Authorization header, a tab, and a token
--   begin    how many of them come before the first that is used
--   end      and up to the last
--   once     1 where each may be used once: when all are used, connections rest
--   method, path, accept
--   body     in which {token} stands for the token
--   answer   the pattern of a right answer's body
--
-- It ends with a line `RESULT {…}`, see wrk.py.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local MONOTONIC = 1
local moment = ffi.new("moment")

local authorizations, tokens = {}, {}
local begin, position, last, once
local method, path, body_before, body_after, answer
local headers = {}

-- Read by `done`, which runs in another Lua state, so they are global.
sent, answered, wrong, first_wrong, started, ended = 0, 0, 0, "", 0, 0

local function now()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

function init(args)
  for line in io.lines(args[1]) do
    local authorization, token = line:match("^(.-)\t(.*)$")
    authorizations[#authorizations + 1] = authorization
    tokens[#tokens + 1] = token
  end
  begin, last, once = tonumber(args[2]), tonumber(args[3]), args[4] == "1"
  position = begin
  method, path, answer = args[5], args[6], args[9]
  headers["Accept"] = args[7]
  body_before, body_after = args[8]:match("^(.-){token}(.*)$")
  if not body_before then
    body_before, body_after = args[8], nil
  end
  if body_before ~= "" then
    headers["Content-Type"] = "application/x-www-form-urlencoded"
  end
end

function request()
  if position >= last then
    if once then
      return "" -- Nothing is written, so the connection waits until the end of the run.
    end
    position = begin
  end
  position = position + 1
  headers["Authorization"] = authorizations[position]
  local body = body_before
  if body_after then
    body = body_before .. tokens[position] .. body_after
  end
  if started == 0 then
    started = -1 -- wrk's own call before the run, to see what a request looks like
  else
    if started < 0 then
      started = now()
    end
    sent = sent + 1
  end
  return wrk.format(method, path, headers, body ~= "" and body or nil)
end

function response(status, _, body)
  answered = answered + 1
  if status ~= 200 or not body:find(answer) then
    wrong = wrong + 1
    if first_wrong == "" then
      first_wrong = status .. " " .. body:sub(1, 300)
    end
  end
  ended = now()
end

local thread

function setup(only)
  thread = only
end

function done(summary, latency)
  local errors = summary.errors
  local text = thread:get("first_wrong"):gsub("[%c\\\"]", " ")
  io.write(string.format(
    'RESULT {"sent": %d, "answered": %d, "wrong": %d, "first_wrong": "%s", "seconds": %.6f, '
      .. '"p50": %d, "p99": %d, "bytes": %d, "failed": %d}\n',
    thread:get("sent"), thread:get("answered"), thread:get("wrong"), text,
    thread:get("ended") - thread:get("started"),
    latency:percentile(50), latency:percentile(99), summary.bytes,
    errors.connect + errors.read + errors.write + errors.timeout
  ))
end
