package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/store"
)

// The defaults of the store.
const (
	defaultStore     = "bolt://" + dataDir + "/state.db"
	defaultStaleness = 5 * time.Second
)

// general reads what stands at the top.
func (b *builder) general() {
	g := &b.out.Guard
	g.Mode = guard.Mode(or(b.file.Mode, string(guard.Enforce)))
	g.PlaintextToken = guard.PlaintextToken(or(b.file.PlaintextToken, string(guard.Burn)))
	for i, r := range b.file.Observe {
		if slices.Contains(b.file.Observe[:i], r) && r != "" {
			b.wrong(index("observe", i), fmt.Sprintf("rule %s is named twice", quoted(r)), "remove one of them")
			continue
		}
		g.Observe = append(g.Observe, guard.Rule(r))
	}
	g.TrustedProxies = b.networks("trusted_proxies", b.file.TrustedProxies)
	log := orNew(b.file.Log)
	b.out.Log = Log{Format: or(log.Format, "json"), Level: or(log.Level, "info")}
}

func (b *builder) authorizer() {
	a := b.file.Authorizer
	if a == nil {
		return
	}
	b.out.Authorizer.TrustedPeers = b.networks("authorizer.trusted_peers", a.TrustedPeers)
	b.out.Guard.TrustedPeers = b.out.Authorizer.TrustedPeers
	if a.HTTP == "" && a.GRPC == "" && !b.badUnder("authorizer") {
		b.wrong("authorizer", "the authorizer has no address", "write http: ADDR or grpc: ADDR")
	}
	if len(a.TrustedPeers) == 0 && !b.badUnder("authorizer.trusted_peers") {
		b.warn("authorizer.trusted_peers", "no proxy may ask the authorizer, so that it refuses everything", "write trusted_peers: with the networks of the proxies")
	}
}

// storage checks the URL of the store. It may hold a password, so that no
// message repeats it.
func (b *builder) storage() {
	b.out.Store = or(b.file.Store, defaultStore)
	b.storeURL(b.out.Store)
	b.out.Guard.StoreStaleness = defaultStaleness
	if s := b.file.StoreStaleness; s != nil {
		b.out.Guard.StoreStaleness = time.Duration(*s)
		if d := time.Duration(*s); d < time.Second || d > time.Minute {
			b.wrong("store_staleness", "store_staleness is not from 1s to 1m", "write 5s")
		}
	}
}

// storeURL asks the store's own reader, which reads certificates too.
func (b *builder) storeURL(raw string) {
	const instead = "write bolt://FILE, redis://HOST:PORT, rediss://HOST:PORT or memory:"
	switch scheme, _, ok := strings.Cut(raw, ":"); {
	case !ok:
		b.wrong("store", "store has no scheme", instead)
		return
	case !slices.Contains([]string{"bolt", "redis", "rediss", "memory"}, scheme):
		b.wrong("store", fmt.Sprintf("store has the scheme %s", quoted(scheme)), instead)
		return
	}
	plain, err := store.CheckURL(raw)
	if err != nil {
		what, instead := err.Error(), "mend the file, or name another"
		if i := strings.LastIndex(what, "; "); i >= 0 {
			what, instead = what[:i], what[i+2:]
		}
		b.wrong("store", what, instead)
		return
	}
	if slices.ContainsFunc(plain, func(host string) bool { return !loopback(host) }) {
		b.warn("store", "sessions and revocations go in plain text to another machine", "write rediss://")
	}
}
