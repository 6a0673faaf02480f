package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// restPause is the least time from one look at the log to the next.
const restPause = 20 * time.Millisecond

// logPage is how many entries of the log are read in one exchange.
const logPage = 1024

// Watch implements Store. Messages of the server only say when to look; what
// has changed is read from the log, so that a lost message costs a delay of
// less than half a second and nothing else. If the server has lost what the
// watcher has heard of, as a promoted replica may have, records that went with
// it are not reported as deleted: a revocation that was heard of stays in
// force.
//
// A prefix that covers records which are not logged (see spreadKeys) is listed
// again and again, which loads the servers.
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
	if _, spreads := covers(prefix); spreads {
		f.poll = newPoll(prefix)
	}
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		// Wakes while this rests are one: what a stream of changes costs the
		// server for each watcher is bounded.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-v.done:
			return ErrClosed
		case <-rest.C:
		}
		rest.Reset(restPause)
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
		if c := v.logHolder(ctx); c != nil {
			_ = c.Receive(ctx, c.B().Subscribe().Channel(v.names.channel).Build(), func(m valkey.PubSubMessage) {
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

// logHolder is the client of the server that has the log, or nil.
func (v *Valkey) logHolder(ctx context.Context) valkey.Client {
	ch, err := v.chart(ctx)
	if err != nil {
		return nil
	}
	n, err := ch.holder(v.names.log)
	if err != nil {
		return nil
	}
	c, _, err := n.connected(ctx)
	if err != nil {
		return nil
	}
	return c
}

// history is whose word a follower has heard, over which connection.
type history struct {
	holder *node
	dials  int64
	others int64 // connections to all nodes, where all are listed
}

// follower is a place in the log.
type follower struct {
	v      *Valkey
	prefix string
	mirror *mirror
	poll   *poll // for what the log does not tell; nil: it tells all

	known bool    // something was read
	whole bool    // and since then nothing was missed
	lost  bool    // the store has lost its state since; what was told before is not in it
	heard history // in which everything was read
	at    string  // last entry read; empty: everything must be read again
	mark  string  // of that entry
	epoch string  // of the log
}

// catchUp reports what has changed. Over a new connection everything is read
// again, because a server that comes back, or takes another's place, may lack
// the last changes. An error leaves the place in the log as it was.
func (f *follower) catchUp(ctx context.Context) error {
	now, err := f.present(ctx)
	if err != nil {
		return err
	}
	if now == f.heard && f.whole && f.at != "" {
		done, err := f.follow(ctx)
		if done && err == nil && f.poll != nil {
			err = f.poll.look(ctx, f.v, f.mirror)
		}
		if done || err != nil {
			return err
		}
	}
	return f.readAll(ctx, now)
}

func (f *follower) present(ctx context.Context) (h history, err error) {
	ch, err := f.v.chart(ctx)
	if err != nil {
		return h, err
	}
	if h.holder, err = ch.holder(f.v.names.log); err != nil {
		return h, err
	}
	if _, _, err = h.holder.connected(ctx); err != nil {
		return h, err
	}
	h.dials = h.holder.dials.Load()
	if f.poll != nil {
		h.others = f.v.dials.Load()
	}
	return h, nil
}

// follow reads the log to its end. done is false when it does not go on from
// the place where the follower is.
func (f *follower) follow(ctx context.Context) (done bool, err error) {
	for {
		entries, err := f.v.entries(ctx, f.at, logPage)
		if err != nil {
			return false, err
		}
		if len(entries) == 0 || !f.isAt(entries[0]) {
			return false, nil
		}
		last := entries[len(entries)-1]
		gone, err := f.report(ctx, entries[1:])
		if err != nil {
			return false, err
		}
		if len(gone) > 0 {
			if still, err := f.still(ctx, last); !still || err != nil {
				return false, err
			}
		}
		for _, key := range gone {
			f.mirror.gone(key)
		}
		f.stand(last)
		if len(entries) < logPage {
			return true, nil
		}
	}
}

func (f *follower) isAt(e valkey.XRangeEntry) bool {
	return e.ID == f.at && e.FieldValues["m"] == f.mark
}

func (f *follower) stand(e valkey.XRangeEntry) {
	f.at, f.mark, f.epoch = e.ID, e.FieldValues["m"], e.FieldValues["e"]
}

// entries reads the log from a place on.
func (v *Valkey) entries(ctx context.Context, from string, count int64) ([]valkey.XRangeEntry, error) {
	answer, err := v.do(ctx, v.names.log, false, func(b valkey.Builder) valkey.Completed {
		return b.Xrange().Key(v.names.log).Start(from).End("+").Count(count).Build()
	})
	if err != nil {
		return nil, err
	}
	return answer.AsXRange()
}

// report tells the present state of each record that the entries name, and
// returns the keys of those that are not there.
func (f *follower) report(ctx context.Context, entries []valkey.XRangeEntry) (gone []string, err error) {
	seen := make(map[string]struct{})
	var keys []string
	for _, e := range entries {
		key, ok := e.FieldValues["k"]
		if !ok {
			return nil, fmt.Errorf("entry %s of %s has no key; was it written by another program?", e.ID, f.v.names.log)
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
			return nil, err
		}
		for _, r := range records {
			if r.Deleted {
				gone = append(gone, r.Key)
			} else {
				f.mirror.tell(r)
			}
		}
		keys = keys[n:]
	}
	return gone, nil
}

// still says whether the log still has an entry. What was missing between the
// moment at which the entry was read and this one was deleted, and did not
// vanish with the state that the log belongs to.
func (f *follower) still(ctx context.Context, e valkey.XRangeEntry) (bool, error) {
	now, err := f.present(ctx)
	if err != nil {
		return false, err
	}
	there := *f
	there.stand(e)
	return there.continues(ctx, now)
}

var errLostMeanwhile = errors.New("store lost its state while it was read")

// readAll notes the end of the log and then reads all records, so that changes
// in between are read twice rather than not at all. What is missing counts as
// deleted only if the log still tells what the follower has heard, before the
// pass and after it.
func (f *follower) readAll(ctx context.Context, now history) error {
	continues, err := f.continues(ctx, now)
	if err != nil {
		return err
	}
	end, err := f.v.logEnd(ctx)
	if err != nil {
		return err
	}
	f.whole = false
	// What went with a loss must not count as deleted in a later pass either.
	f.lost = f.lost || f.known && !continues
	if f.poll != nil {
		f.poll = newPoll(f.prefix)
	}
	err = f.mirror.sync(func(yield func(Record)) error {
		return f.v.each(ctx, f.prefix, func(r Record) {
			if f.poll != nil && spread(r.Key) {
				f.poll.note(r)
			}
			yield(r)
		})
	}, f.lost)
	if err != nil {
		return err
	}
	if f.known && continues {
		if still, err := f.still(ctx, end); err != nil || !still {
			return errors.Join(errLostMeanwhile, err)
		}
	}
	f.heard, f.known, f.whole = now, true, true
	f.stand(end)
	return nil
}

// continues says whether the log goes on from the follower's place: its entry
// is there, or the same server has cut it away because of its age.
func (f *follower) continues(ctx context.Context, now history) (bool, error) {
	if f.at == "" || now.others != f.heard.others {
		return false, nil
	}
	entries, err := f.v.entries(ctx, f.at, 1)
	if err != nil {
		return false, err
	}
	if len(entries) > 0 && f.isAt(entries[0]) {
		return true, nil
	}
	if len(entries) == 0 || entries[0].ID == f.at || entries[0].FieldValues["e"] != f.epoch || now != f.heard {
		return false, nil
	}
	first, err := f.v.entries(ctx, "-", 1)
	if err != nil {
		return false, err
	}
	return len(first) > 0 && first[0].ID == entries[0].ID, nil
}

// logEnd is the last entry of the log, which it begins if there is none. It
// need not succeed in that: who cannot write can still read.
func (v *Valkey) logEnd(ctx context.Context) (end valkey.XRangeEntry, err error) {
	for range 2 {
		answer, err := v.do(ctx, v.names.log, false, func(b valkey.Builder) valkey.Completed {
			return b.Xrevrange().Key(v.names.log).End("+").Start("-").Count(1).Build()
		})
		if err != nil {
			return end, err
		}
		entries, err := answer.AsXRange()
		if err != nil {
			return end, fmt.Errorf("log of store: %w", err)
		}
		if len(entries) > 0 {
			return entries[0], nil
		}
		_, _ = v.eval(ctx, false, beginScript, []string{v.names.log}, []string{newMark()})
	}
	return end, nil
}
