package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"
)

// Names in the database. The log is what Watch reads: one entry a change, with
// the key, numbered without gaps as EPOCH-N. EPOCH is the time at which the log
// began; another one means that the database has lost its state.
const (
	recordPrefix = "wiretight:r:"
	logKey       = "wiretight:log"
	probeKey     = "wiretight:probe"
	channel      = "wiretight:changed"
)

// answerWait bounds one exchange with the server, and connecting to it.
const answerWait = 900 * time.Millisecond

// maxListed bounds the keys that one List sorts in memory.
const maxListed = 1 << 22

// fetch is how many values are read in one exchange.
const fetch = 64

// Valkey keeps records in a Valkey or Redis server (6 or later, not in cluster
// mode) that several instances share. What Replace has confirmed is as durable
// as the server makes it: give it appendonly, and a maxmemory-policy of
// noeviction, without which the store refuses to work. Expiry follows the
// server's clock or the writer's, whichever keeps the record longer.
//
// While the server does not answer, calls fail at once and it is asked again
// several times a second.
type Valkey struct {
	at      endpoint
	now     func() time.Time
	replace *valkey.Lua
	probe   *valkey.Lua

	first  chan struct{} // closed when the server was asked for the first time
	redial chan struct{} // holds one: the client has failed
	done   chan struct{} // closed by Close
	ended  chan struct{} // closed when tend has ended
	close  sync.Once

	mu     sync.RWMutex
	client valkey.Client // nil: down
	down   error         // why
}

// OpenValkey returns a store on the server that a redis:// or rediss:// URL
// names, see Open. It does not wait for the server. A nil now is time.Now.
func OpenValkey(ctx context.Context, rawURL string, now func() time.Time) (*Valkey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, err := parseRedisURL(rawURL)
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	v := &Valkey{
		at: at, now: now,
		replace: valkey.NewLuaScript(replaceScript),
		probe:   valkey.NewLuaScript(probeScript),
		first:   make(chan struct{}), redial: make(chan struct{}, 1),
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	go v.tend()
	return v, nil
}

// replaceScript compares and swaps, and logs the change. A script is atomic.
// ARGV: 1 has an old, 2 old, 3 has a value, 4 the stored form, 5 lifetime in
// ms by the writer's clock (0: for ever), 6 expiry in ms, 7 key, 8 channel.
const replaceScript = `
local was = redis.call('GET', KEYS[1])
if ARGV[1] == '0' then
  if was then return 0 end
elseif not was or string.sub(was, 9) ~= ARGV[2] then
  return 0
end
if ARGV[3] == '0' then
  if not was then return 1 end
  redis.call('DEL', KEYS[1])
elseif ARGV[5] == '0' then
  redis.call('SET', KEYS[1], ARGV[4])
else
  local t = redis.call('TIME')
  local left = tonumber(ARGV[6]) - math.floor(tonumber(t[1]) * 1000 + tonumber(t[2]) / 1000)
  redis.call('SET', KEYS[1], ARGV[4], 'PX', string.format('%.0f', math.max(left, tonumber(ARGV[5]))))
end
` + logFunction + `
log(KEYS[2], ARGV[7])
redis.call('PUBLISH', ARGV[8], ARGV[7])
return 1`

// logFunction appends an entry whose number follows the last one's.
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
  redis.call('XADD', name, 'MAXLEN', '~', 100000, id, 'k', key)
end`

// probeScript fails where a Replace would: on a replica, without memory, or
// where the server cannot save. It begins the log.
const probeScript = logFunction + `
redis.call('SET', KEYS[1], '1', 'PX', 60000)
if redis.call('EXISTS', KEYS[2]) == 0 then log(KEYS[2], '') end
return 1`

// Get implements Store. It is the server that says whether a record has expired.
func (v *Valkey) Get(ctx context.Context, key string) (Record, error) {
	if err := checkKey(key); err != nil {
		return Record{}, err
	}
	var p string
	err := v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		p, err = c.Do(ctx, c.B().Get().Key(recordPrefix+key).Build()).ToString()
		return err
	})
	if valkey.IsValkeyNil(err) {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, err
	}
	return unpack(key, []byte(p))
}

// Replace implements Store.
func (v *Valkey) Replace(ctx context.Context, key string, old, value []byte, expires time.Time) error {
	now := v.now()
	c, err := newChange(key, old, value, expires, now)
	if err != nil {
		return err
	}
	left := int64(0)
	if c.expires != 0 {
		left = max(c.expires-now.UnixMilli(), 1)
	}
	args := []string{
		flag(old != nil), string(c.old), flag(value != nil), string(pack(c.expires, c.value)),
		fmt.Sprint(left), fmt.Sprint(c.expires), key, channel,
	}
	var done int64
	err = v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		done, err = v.replace.Exec(ctx, c, []string{recordPrefix + key, logKey}, args).AsInt64()
		return err
	})
	if err == nil && done != 1 {
		return ErrConflict
	}
	return err
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// List implements Store. It goes through all keys of the database, so give
// Wiretight a database of its own.
func (v *Valkey) List(ctx context.Context, prefix string, yield func(Record) bool) error {
	keys, err := v.keys(ctx, prefix)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(keys, fetch) {
		records, err := v.fetch(ctx, chunk)
		if err != nil {
			return err
		}
		for _, r := range records {
			if !r.Deleted && !yield(r) {
				return nil
			}
		}
	}
	return nil
}

// keys returns the keys under prefix in order. A scan may show a key twice.
func (v *Valkey) keys(ctx context.Context, prefix string) ([]string, error) {
	pattern := recordPrefix + escapeGlob(prefix) + "*"
	var keys []string
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var found valkey.ScanEntry
		err := v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
			found, err = c.Do(ctx, c.B().Scan().Cursor(cursor).Match(pattern).Count(1000).Build()).AsScanEntry()
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, name := range found.Elements {
			keys = append(keys, strings.TrimPrefix(name, recordPrefix))
		}
		if len(keys) > maxListed {
			return nil, fmt.Errorf("more than %d records begin with %q; list a longer prefix", maxListed, prefix)
		}
		cursor = found.Cursor
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// fetch reads records; those that are not there are marked Deleted.
func (v *Valkey) fetch(ctx context.Context, keys []string) ([]Record, error) {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = recordPrefix + key
	}
	var values []valkey.ValkeyMessage
	err := v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		values, err = c.Do(ctx, c.B().Mget().Key(names...).Build()).ToArray()
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(values) != len(keys) {
		return nil, fmt.Errorf("store at %s answered %d values for %d keys", v.at.address, len(values), len(keys))
	}
	records := make([]Record, len(keys))
	for i, key := range keys {
		if values[i].IsNil() {
			records[i] = Record{Key: key, Deleted: true}
			continue
		}
		p, err := values[i].ToString()
		if err != nil {
			return nil, fmt.Errorf("record %q in store at %s: %w", key, v.at.address, err)
		}
		if records[i], err = unpack(key, []byte(p)); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// escapeGlob makes a prefix stand for itself in a pattern.
func escapeGlob(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`*?[]^-\`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Ping implements Store.
func (v *Valkey) Ping(ctx context.Context) error {
	return v.ask(ctx, v.probeWith)
}

func (v *Valkey) probeWith(ctx context.Context, c valkey.Client) error {
	return v.probe.Exec(ctx, c, []string{probeKey, logKey}, nil).Error()
}

// Close implements Store.
func (v *Valkey) Close() error {
	v.close.Do(func() { close(v.done) })
	<-v.ended
	return nil
}

// ask runs one exchange. It waits for the first connection, but not for a lost
// one to come back.
func (v *Valkey) ask(ctx context.Context, exchange func(context.Context, valkey.Client) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	c, err := v.connected(limited)
	if err != nil {
		return err
	}
	err = exchange(limited, c)
	if err == nil || valkey.IsValkeyNil(err) {
		return err
	}
	if v.isClosed() {
		return ErrClosed
	}
	answer, answered := valkey.IsValkeyErr(err)
	if ctx.Err() == nil && (!answered || isReadOnly(answer)) {
		v.fail(c, err)
	}
	return v.explain(err)
}

func (v *Valkey) connected(ctx context.Context) (valkey.Client, error) {
	select {
	case <-v.first:
	case <-v.done:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, v.explain(ctx.Err())
	}
	if v.isClosed() {
		return nil, ErrClosed
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.client, v.down
}

func (v *Valkey) isClosed() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// explain puts the server's address before an error, and knows the answers of
// a server that has no room.
func (v *Valkey) explain(err error) error {
	if answer, ok := valkey.IsValkeyErr(err); ok && strings.HasPrefix(answer.Error(), "OOM ") {
		return fmt.Errorf("store at %s: %w: %w; raise its maxmemory", v.at.address, ErrFull, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("store at %s does not answer: %w", v.at.address, err)
	}
	return fmt.Errorf("store at %s: %w", v.at.address, err)
}

func isReadOnly(answer *valkey.ValkeyError) bool {
	return strings.HasPrefix(answer.Error(), "READONLY ")
}

