package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// logPage is how many entries of the log are read in one exchange.
const logPage = 1024

// Watch implements Store. Messages of the server only say when to look; what
// has changed is read from the log, so that a lost message costs a delay of
// less than half a second and nothing else. If the server has lost its state,
// records that went with it are not reported as deleted: a revocation that was
// heard of stays in force.
func (v *Valkey) Watch(ctx context.Context, prefix string, changed func(Record), synced func()) error {
	if v.isClosed() {
		return ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	wake, listening := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(listening)
		v.listen(ctx, prefix, wake)
	}()
	defer func() {
		cancel()
		<-listening
	}()
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	f := follower{v: v, prefix: prefix, mirror: newMirror(changed)}
	for {
		if f.catchUp(ctx) == nil {
			synced()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-v.done:
			return ErrClosed
		case <-tick.C:
		case <-wake:
		}
	}
}

// listen wakes the watcher at each message about its prefix, and subscribes
// again when the connection is lost.
func (v *Valkey) listen(ctx context.Context, prefix string, wake chan<- struct{}) {
	for {
		if c, err := v.connected(ctx); err == nil {
			_ = c.Receive(ctx, c.B().Subscribe().Channel(channel).Build(), func(m valkey.PubSubMessage) {
				if strings.HasPrefix(m.Message, prefix) {
					select {
					case wake <- struct{}{}:
					default:
					}
				}
			})
		}
		pause := time.NewTimer(redialPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-v.done:
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// follower is a place in the log.
type follower struct {
	v      *Valkey
	prefix string
	mirror *mirror
	at     string // last entry read; empty: everything must be read again
	epoch  string // of the state that mirror reflects; empty: none yet

	connections int64 // as counted when everything was read
}

// catchUp reports what has changed. Over a new connection everything is read
// again, because a server that comes back, or takes another's place, may lack
// the last changes. An error leaves the place in the log as it was.
func (f *follower) catchUp(ctx context.Context) error {
	if n := f.v.connections.Load(); n != f.connections {
		f.connections, f.at = n, ""
	}
	return f.follow(ctx)
}

func (f *follower) follow(ctx context.Context) error {
	for f.at != "" {
		entries, err := f.entries(ctx)
		if err != nil {
			return err
		}
		if len(entries) == 0 || entries[0].ID != f.at {
			break // the log was cut, or is another one
		}
		if err := f.report(ctx, entries[1:]); err != nil {
			return err
		}
		f.at = entries[len(entries)-1].ID
		if len(entries) < logPage {
			return nil
		}
	}
	return f.readAll(ctx)
}

// entries reads the log from the last entry that is known to be there.
func (f *follower) entries(ctx context.Context) (entries []valkey.XRangeEntry, err error) {
	before := f.v.water.mark()
	err = f.v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		entries, err = c.Do(ctx, c.B().Xrange().Key(logKey).Start(f.at).End("+").Count(logPage).Build()).AsXRange()
		return err
	})
	// An empty page may be that of a log that was cut; readAll looks for its end.
	if n := len(entries); err == nil && n > 0 && n < logPage {
		f.v.water.saw(before, entries[n-1].ID, false, f.v.now())
	}
	return entries, err
}

// report reads the present state of each record that the entries name.
func (f *follower) report(ctx context.Context, entries []valkey.XRangeEntry) error {
	seen := make(map[string]struct{})
	var keys []string
	for _, e := range entries {
		key, ok := e.FieldValues["k"]
		if !ok {
			return fmt.Errorf("entry %s of %s has no key; was it written by another program?", e.ID, logKey)
		}
		if _, again := seen[key]; again || key == "" || !strings.HasPrefix(key, f.prefix) {
			continue
		}
		seen[key] = struct{}{}
		keys = append(keys, key)
	}
	for len(keys) > 0 {
		n := min(fetch, len(keys))
		records, err := f.v.fetch(ctx, keys[:n])
		if err != nil {
			return err
		}
		for _, r := range records {
			if r.Deleted {
				f.mirror.gone(r.Key)
			} else {
				f.mirror.tell(r)
			}
		}
		keys = keys[n:]
	}
	return nil
}

// readAll notes the end of the log and then reads all records, so that changes
// in between are read twice rather than not at all.
func (f *follower) readAll(ctx context.Context) error {
	var entries []valkey.XRangeEntry
	before := f.v.water.mark()
	err := f.v.ask(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		entries, err = c.Do(ctx, c.B().Xrevrange().Key(logKey).End("+").Start("-").Count(1).Build()).AsXRange()
		return err
	})
	if err != nil {
		return err
	}
	at, epoch := "", f.epoch
	if len(entries) > 0 {
		at = entries[0].ID
		epoch, _, _ = strings.Cut(at, "-")
	}
	f.v.water.saw(before, at, false, f.v.now())
	lost := f.epoch != "" && (at == "" || epoch != f.epoch)
	f.at = "" // until all is read, nothing can be followed
	err = f.mirror.sync(func(yield func(Record)) error {
		return f.v.each(ctx, f.prefix, yield)
	}, lost)
	if err != nil {
		return err
	}
	f.at, f.epoch = at, epoch
	return nil
}
