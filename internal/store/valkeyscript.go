package store

import (
	"crypto/sha1" // the server names scripts so
	"encoding/hex"
)

// script is what the server runs in one atomic step.
type script struct{ text, sha string }

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text))
	return &script{text: text, sha: hex.EncodeToString(sum[:])}
}

// The answers of a swap that changed nothing. Else it answers its group's count.
const (
	conflict  = "conflict"
	unchanged = "unchanged" // what was to be deleted is not there
)

var (
	swapScript = newScript(countFunction + swapBody + "return is")
	logScript  = newScript(countFunction + swapBody + logBody)
	// probeScript fails where a Replace would: on a replica, without memory,
	// or where the server cannot save. KEYS: 1 a name of its own, 2 count.
	probeScript = newScript(countFunction + "redis.call('SET', KEYS[1], '1', 'PX', 60000) return count(KEYS[2], ARGV[1], 0)")
	// countScript begins a count that there is not. KEYS: 1 count.
	countScript = newScript(countFunction + "return count(KEYS[1], ARGV[1], 0)")
	// beginScript begins a log that there is not.
	beginScript = newScript("if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('XADD', KEYS[1], '*', 'k', '', 'm', ARGV[1], 'e', ARGV[1]) end return 1")
)

// countFunction adds to a count, which is EPOCH-N. EPOCH is the mark of the
// call that began it; another one means that the database has lost its state.
const countFunction = `
local function count(name, mark, more)
  local was = redis.call('GET', name)
  local epoch, n
  if was then epoch, n = string.match(was, '^(%w+)-(%d+)$') end
  if not epoch then
    epoch, n = mark, 0
  elseif more == 0 then
    return was
  end
  local is = epoch .. '-' .. string.format('%.0f', tonumber(n) + more)
  redis.call('SET', name, is)
  return is
end
`

// swapBody compares and swaps.
// KEYS: 1 record, 2 count. ARGV: 1 has an old, 2 old, 3 has a value, 4 the
// stored form, 5 lifetime in ms by the writer's clock (0: for ever), 6 expiry
// in ms, 7 a mark that no other call has.
const swapBody = `
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
local is = count(KEYS[2], ARGV[7], 1)
`

// logBody logs the change, with its mark and with the log's epoch, which is
// the mark of its first entry: watchers know by them whether the log is still
// the one that they read. It keeps the index, from which each change sweeps
// some keys whose records have expired; KEYS[5] says how far that has come.
// The message may fail, because watchers look at the log without it too.
// KEYS: 3 log, 4 index, 5 sweep. ARGV: 8 key, 9 channel, 10 what stands before
// a key.
const logBody = `
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 100000, '*', 'k', ARGV[8], 'm', ARGV[7], 'e', last and last[2][6] or ARGV[7])
if ARGV[3] == '0' then
  redis.call('ZREM', KEYS[4], ARGV[8])
else
  redis.call('ZADD', KEYS[4], 0, ARGV[8])
end
local from = redis.call('GET', KEYS[5])
local keys = redis.call('ZRANGEBYLEX', KEYS[4], from and '(' .. from or '-', '+', 'LIMIT', 0, 8)
for _, key in ipairs(keys) do
  if redis.call('EXISTS', ARGV[10] .. key) == 0 then redis.call('ZREM', KEYS[4], key) end
end
if #keys == 8 then
  redis.call('SET', KEYS[5], keys[8])
else
  redis.call('DEL', KEYS[5])
end
redis.pcall('PUBLISH', ARGV[9], ARGV[8])
return is`
