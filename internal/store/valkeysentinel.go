package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"
)

// sentinelPause is how often the Sentinels are asked who the primary is.
const sentinelPause = time.Second

// sentinels know which server is the primary. Only the goroutine of the one
// node asks them.
type sentinels struct {
	v       *Valkey
	clients []valkey.Client // one for each address; nil: none yet
}

// word is what one Sentinel says.
type word struct {
	address string
	epoch   int64
	err     error
}

// primary asks all Sentinels at once and takes the newest word: one that was
// cut off from the others may still name a primary of the past.
func (s *sentinels) primary(ctx context.Context) (address string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.v.wait/3)
	defer cancel()
	words := make([]word, len(s.clients))
	var asked sync.WaitGroup
	for i := range words {
		asked.Go(func() { words[i] = s.ask(ctx, i) })
	}
	asked.Wait()
	newest := int64(-1)
	var errs []error
	for i, w := range words {
		if w.err != nil {
			errs = append(errs, fmt.Errorf("sentinel at %s: %w", s.v.at.addresses[i], w.err))
		} else if w.epoch > newest {
			address, newest = w.address, w.epoch
		}
	}
	if newest < 0 {
		return "", fmt.Errorf("no Sentinel of store names the primary %q: %w", s.v.at.master, errors.Join(errs...))
	}
	return address, nil
}

func (s *sentinels) ask(ctx context.Context, i int) word {
	if s.clients[i] == nil {
		options := s.v.options(s.v.at.addresses[i], new(wires).dial)
		options.Username, options.Password, options.SelectDB = s.v.at.sentinelUser, s.v.at.sentinelPassword, 0
		options.Dialer.Timeout = s.v.wait / 3
		c, err := valkey.NewClient(options)
		if err != nil {
			if c != nil {
				c.Close()
			}
			return word{err: err}
		}
		s.clients[i] = c
	}
	w := readWord(s.clients[i].DoMulti(
		ctx,
		s.clients[i].B().SentinelGetMasterAddrByName().Master(s.v.at.master).Build(),
		s.clients[i].B().Arbitrary("SENTINEL", "MASTER", s.v.at.master).Build(),
	))
	if _, answered := valkey.IsValkeyErr(w.err); w.err != nil && !answered {
		s.clients[i].Close()
		s.clients[i] = nil
	}
	return w
}

// readWord reads the address, which is the promoted replica's even before its
// failover has ended, and the configuration epoch in which it became so.
func readWord(answers []valkey.ValkeyResult) word {
	at, err := answers[0].AsStrSlice()
	if valkey.IsValkeyNil(err) || err == nil && len(at) != 2 {
		return word{err: errors.New("knows no primary of this name")}
	}
	if err != nil {
		return word{err: err}
	}
	facts, err := answers[1].AsStrMap()
	if err != nil {
		return word{err: err}
	}
	epoch, err := strconv.ParseInt(facts["config-epoch"], 10, 64)
	if _, ok := joinAddress(at[0], at[1]); !ok || err != nil || epoch < 0 {
		return word{err: errors.New("answers neither address nor epoch; is it a Sentinel?")}
	}
	return word{address: net.JoinHostPort(at[0], at[1]), epoch: epoch}
}

func (s *sentinels) close() {
	for _, c := range s.clients {
		if c != nil {
			c.Close()
		}
	}
}
