package store

// Names in the database. The log is what Watch reads: one entry a change, with
// the key, numbered without gaps as EPOCH-N. EPOCH is the time at which the log
// began; another one means that the database has lost its state.
const (
	recordPrefix = "wiretight:r:"
	logKey       = "wiretight:log"
	probeKey     = "wiretight:probe"
	channel      = "wiretight:changed"
)

// replaceScript compares and swaps, and logs the change. A script is atomic.
// The message may fail, because watchers look at the log without it too.
// ARGV: 1 has an old, 2 old, 3 has a value, 4 the stored form, 5 lifetime in
// ms by the writer's clock (0: for ever), 6 expiry in ms, 7 key, 8 channel.
// Answers the entry's id, conflict, or unchanged.
const replaceScript = `
local was = redis.call('GET', KEYS[1])
if ARGV[1] == '0' then
  if was then return '` + conflict + `' end
elseif not was or string.sub(was, 9) ~= ARGV[2] then
  return '` + conflict + `'
end
if ARGV[3] == '0' then
  if not was then return '` + unchanged + `' end
  redis.call('DEL', KEYS[1])
elseif ARGV[5] == '0' then
  redis.call('SET', KEYS[1], ARGV[4])
else
  local t = redis.call('TIME')
  local left = tonumber(ARGV[6]) - math.floor(tonumber(t[1]) * 1000 + tonumber(t[2]) / 1000)
  redis.call('SET', KEYS[1], ARGV[4], 'PX', string.format('%.0f', math.max(left, tonumber(ARGV[5]))))
end
` + logFunction + `
local id = log(KEYS[2], ARGV[7])
redis.pcall('PUBLISH', ARGV[8], ARGV[7])
return id`

// The answers of replaceScript when nothing was logged.
const (
	conflict  = "conflict"
	unchanged = "unchanged" // what was to be deleted is not there
)

// logFunction appends an entry whose number follows the last one's, and
// returns its id.
const logFunction = `
local function log(name, key)
  local last = redis.call('XREVRANGE', name, '+', '-', 'COUNT', 1)[1]
  local id
  if last then
    local epoch, n = string.match(last[1], '^(%d+)-(%d+)$')
    id = epoch .. '-' .. string.format('%.0f', tonumber(n) + 1)
  else
    local t = redis.call('TIME')
    id = string.format('%.0f', math.floor(tonumber(t[1]) * 1000 + tonumber(t[2]) / 1000)) .. '-1'
  end
  return redis.call('XADD', name, 'MAXLEN', '~', 100000, id, 'k', key)
end`

// probeScript fails where a Replace would: on a replica, without memory, or
// where the server cannot save. It begins the log, and answers its last id.
const probeScript = logFunction + `
redis.call('SET', KEYS[1], '1', 'PX', 60000)
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
return last and last[1] or log(KEYS[2], '')`
