package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

// frailStore is a store that can be away: calls then fail, or hang until their
// context ends, and watchers hear nothing.
type frailStore struct {
	store.Store
	mu     sync.Mutex
	state  frailty
	change chan struct{} // closed when state changes
}

type frailty int

const (
	sound frailty = iota
	failing
	hanging
)

func newFrailStore(s store.Store, f frailty) *frailStore {
	return &frailStore{Store: s, state: f, change: make(chan struct{})}
}

func (s *frailStore) set(f frailty) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = f
	close(s.change)
	s.change = make(chan struct{})
}

func (s *frailStore) now() (frailty, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.change
}

var errAway = errors.New("store is away")

func (s *frailStore) ask(ctx context.Context) error {
	switch f, _ := s.now(); f {
	case failing:
		return errAway
	case hanging:
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (s *frailStore) Get(ctx context.Context, key string) (store.Record, error) {
	if err := s.ask(ctx); err != nil {
		return store.Record{}, err
	}
	return s.Store.Get(ctx, key)
}

func (s *frailStore) Replace(ctx context.Context, key string, old, value []byte, expires time.Time) error {
	if err := s.ask(ctx); err != nil {
		return err
	}
	return s.Store.Replace(ctx, key, old, value, expires)
}

func (s *frailStore) Ping(ctx context.Context) error {
	if err := s.ask(ctx); err != nil {
		return err
	}
	return s.Store.Ping(ctx)
}

// Watch watches anew whenever the store has come back.
func (s *frailStore) Watch(ctx context.Context, prefix string, changed func(store.Record), synced func()) error {
	for {
		f, next := s.now()
		if f == sound {
			inner, cancel := context.WithCancel(ctx)
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				select {
				case <-next:
					cancel()
				case <-inner.Done():
				}
			}()
			err := s.Store.Watch(inner, prefix, changed, synced)
			cancel()
			<-stop
			if errors.Is(err, store.ErrClosed) || ctx.Err() != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		}
	}
}

// offline is a guard around a handler, without any connection, so that it can
// live in a synctest bubble and by its clock.
type offline struct {
	*fixture
	handler http.Handler
	passed  atomic.Int64
}

func newOffline(t testing.TB, change func(*guard.Config)) *offline {
	t.Helper()
	o := &offline{fixture: &fixture{t: t, clock: newClock(), log: &records{}}}
	o.signer = newSigner(t, "key-1")
	o.config = guard.Config{
		Hosts: []string{testHost},
		Tokens: guard.Tokens{Cache: 1000, Issuers: []guard.Issuer{{
			Issuer: testIssuer, Audiences: []string{testAudience}, Algorithms: []string{"ES256"}, JWKS: jwks(t, o.signer),
		}}},
		Routes: []guard.Route{{Path: "/open", Public: true}, {Path: "/once", Once: true}},
		Logger: o.log.logger(),
	}
	if change != nil {
		change(&o.config)
	}
	var err error
	if o.guard, err = guard.New(o.config); err != nil {
		t.Fatal(err)
	}
	o.handler = o.guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.passed.Add(1)
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	}))
	return o
}

// token mints one by the bubble's clock.
func (o *offline) token(claims map[string]any) string {
	o.t.Helper()
	o.clock.mu.Lock()
	o.clock.at = time.Now()
	o.clock.mu.Unlock()
	return o.mint(claims)
}

func (o *offline) ask(path, raw string) reply {
	header := http.Header{}
	if raw != "" {
		header.Set("Authorization", "Bearer "+raw)
	}
	return unwired(o.handler, "192.0.2.1:1000", header, path)
}

func (o *offline) want(what, path, raw string, status int) {
	o.t.Helper()
	if got := o.ask(path, raw); got.status != status {
		o.t.Errorf("%s: got %v, want %d", what, got, status)
	}
}

// inClear sends a token over plain HTTP.
func (o *offline) inClear(raw string) reply {
	r := httptest.NewRequest(http.MethodGet, "http://"+testHost+"/", nil)
	r.RequestURI = "/"
	r.Header.Set("Authorization", "Bearer "+raw)
	w := httptest.NewRecorder()
	o.guard.Plaintext().ServeHTTP(w, r)
	return reply{w.Code, "", w.Header(), w.Body.String()}
}

// TestRevocations holds which tokens each kind of revocation reaches, remembered
// or not, on the guard that was told and on another one.
func TestRevocations(t *testing.T) {
	t.Parallel()
	at := time.Now().Truncate(time.Second)
	for _, c := range []struct {
		name       string
		revocation guard.Revocation
		reached    []map[string]any
		spared     []map[string]any
	}{
		{
			"jti",
			guard.Revocation{JTI: "one"},
			[]map[string]any{{"jti": "one"}, {"jti": "one", "sub": "bob"}},
			[]map[string]any{{"jti": "two"}, {"jti": "on"}, {"jti": nil}, {"jti": nil, "sid": "one"}, {"sub": "one"}},
		},
		{
			"sid",
			guard.Revocation{SID: "s"},
			[]map[string]any{{"sid": "s"}, {"sid": "s", "sub": "bob", "jti": nil}},
			[]map[string]any{{"sid": "S"}, {"jti": "s"}, {"sub": "s"}, {}},
		},
		{
			"sub",
			guard.Revocation{Subject: "alice"},
			[]map[string]any{{}, {"iat": nil}, {"iat": at.Add(-time.Minute).Unix()}},
			[]map[string]any{{"sub": "bob"}, {"sub": "bob", "jti": "alice", "sid": "alice"}},
		},
		{
			"sub and before",
			guard.Revocation{Subject: "alice", Before: at.Add(-time.Minute)},
			[]map[string]any{{"iat": at.Add(-2 * time.Minute).Unix()}, {"iat": nil}},
			[]map[string]any{{}, {"iat": at.Add(-time.Minute).Unix()}, {"sub": "bob", "iat": at.Add(-2 * time.Minute).Unix()}},
		},
		{
			"before",
			guard.Revocation{Before: at.Add(-time.Minute)},
			[]map[string]any{{"iat": at.Add(-2 * time.Minute).Unix()}, {"iat": nil}, {"sub": "bob", "iat": at.Add(-2 * time.Minute).Unix()}},
			[]map[string]any{{}, {"sub": "bob"}, {"iat": at.Add(-time.Minute).Unix()}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			shared := store.NewMemory(nil, 1000)
			t.Cleanup(func() { _ = shared.Close() })
			here := newFixture(t, func(cfg *guard.Config) { cfg.Store = shared })
			there := newFixture(t, func(cfg *guard.Config) {
				cfg.Store = shared
				cfg.Tokens.Issuers[0].JWKS = jwks(t, here.signer)
			})
			mint := func(all []map[string]any) (tokens []string) {
				for _, claims := range all {
					tokens = append(tokens, here.mint(claims))
				}
				return tokens
			}
			reached, spared := mint(c.reached), mint(c.spared)
			for _, f := range []*fixture{here, there} {
				for _, raw := range append(append([]string{}, reached...), spared...) {
					if got := f.get("/", "Authorization", "Bearer "+raw); got.status != 200 {
						t.Fatalf("before: got %v", got)
					}
				}
			}
			reached = append(reached, mint(c.reached)...) // and such as were never seen
			if err := here.guard.Revoke(t.Context(), c.revocation); err != nil {
				t.Fatal(err)
			}
			for _, f := range []*fixture{here, there} {
				for i, raw := range reached {
					eventually(t, "the revocation", func() bool { return f.get("/", "Authorization", "Bearer "+raw).status == 401 })
					got := f.get("/", "Authorization", "Bearer "+raw)
					if rule, _ := f.refusal(got); rule != "revoked" || got.problem().Detail != "Invalid token" {
						t.Errorf("reached %d: got %v by %q, want Invalid token by revoked", i, got, rule)
					}
				}
				for i, raw := range spared {
					if got := f.get("/", "Authorization", "Bearer "+raw); got.status != 200 {
						t.Errorf("spared %d: got %v, want 200", i, got)
					}
				}
			}
		})
	}
}

// TestRevokedElsewhere holds that a revocation is in force on another instance
// within a second.
func TestRevokedElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := store.NewMemory(nil, 1000)
		defer shared.Close()
		here := newOffline(t, func(c *guard.Config) { c.Store = shared })
		defer here.guard.Close()
		there := newOffline(t, func(c *guard.Config) {
			c.Store = shared
			c.Tokens.Issuers[0].JWKS = jwks(t, here.signer)
		})
		defer there.guard.Close()
		raw := here.token(map[string]any{"jti": "one"})
		there.want("before", "/", raw, 200)
		if err := here.guard.Revoke(t.Context(), guard.Revocation{JTI: "one"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		there.want("a second later", "/", raw, 401)
		here.want("here", "/", raw, 401)
	})
}

// TestSubjectComesBack holds that a subject's new tokens are good again.
func TestSubjectComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffline(t, nil)
		defer o.guard.Close()
		old := o.token(nil)
		if err := o.guard.Revoke(t.Context(), guard.Revocation{Subject: "alice"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		o.want("an old token", "/", old, 401)
		o.want("a new token", "/", o.token(nil), 200)
		// A later revocation reaches further, an earlier one takes nothing back.
		later := o.token(nil)
		for _, before := range []time.Time{time.Now().Add(time.Second), time.Now().Add(-time.Hour)} {
			if err := o.guard.Revoke(t.Context(), guard.Revocation{Subject: "alice", Before: before}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			o.want("a token before it", "/", later, 401)
		}
	})
}

// TestRevocationForms holds that a revocation of unclear reach is refused.
func TestRevocationForms(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, r := range []guard.Revocation{
		{},
		{JTI: "a", SID: "b"},
		{JTI: "a", Subject: "b"},
		{SID: "a", Subject: "b"},
		{JTI: "a", Before: time.Now()},
		{SID: "a", Before: time.Now()},
	} {
		if err := f.guard.Revoke(t.Context(), r); err == nil {
			t.Errorf("%+v: got no error", r)
		}
	}
	if got := f.get("/", "Authorization", f.bearer()); got.status != 200 {
		t.Errorf("got %v, want 200", got)
	}
}

// TestUnreadableRevocation holds that a record which cannot be read revokes all
// that it could mean, and that one of unknown kind does no harm.
func TestUnreadableRevocation(t *testing.T) {
	t.Parallel()
	hex := func(kind revocation.Kind, value string) string {
		const digits = "0123456789abcdef"
		var s []byte
		for _, b := range revocation.Hash(kind, value) {
			s = append(s, digits[b>>4], digits[b&15])
		}
		return revocation.Prefix + string(kind) + "/" + string(s)
	}
	for name, c := range map[string]struct {
		key   string
		wants int
	}{
		"all":       {hex(revocation.All, ""), 401},
		"subject":   {hex(revocation.Subject, "alice"), 401},
		"jti":       {hex(revocation.JTI, "one"), 401},
		"other sub": {hex(revocation.Subject, "bob"), 200},
		"unknown":   {revocation.Prefix + "new/00", 200},
	} {
		for _, value := range []string{"", "garbage", `{"before":"x"}`, `[]`} {
			synctest.Test(t, func(t *testing.T) {
				shared := store.NewMemory(nil, 1000)
				defer shared.Close()
				if err := shared.Replace(t.Context(), c.key, nil, []byte(value), time.Time{}); err != nil {
					t.Fatal(err)
				}
				o := newOffline(t, func(cfg *guard.Config) { cfg.Store = shared })
				defer o.guard.Close()
				o.want(name+" of "+value, "/", o.token(map[string]any{"jti": "one"}), c.wants)
			})
		}
	}
}

// TestRevocationsEnd holds that revocations are forgotten when every token that
// they could reach has expired, here and in the store.
func TestRevocationsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := store.NewMemory(nil, 1000)
		defer shared.Close()
		var keep time.Duration
		o := newOffline(t, func(c *guard.Config) {
			c.Store = shared
			keep = guard.Retention(*c)
		})
		defer o.guard.Close()
		if keep < time.Hour || keep > 2*time.Hour {
			t.Errorf("got retention %v, want a little more than an hour", keep)
		}
		if err := o.guard.Revoke(t.Context(), guard.Revocation{JTI: "one"}); err != nil {
			t.Fatal(err)
		}
		count := func() (n int) {
			if err := shared.List(t.Context(), revocation.Prefix, func(store.Record) bool { n++; return true }); err != nil {
				t.Fatal(err)
			}
			return n
		}
		time.Sleep(keep - 5*time.Second)
		o.want("before the end", "/", o.token(map[string]any{"jti": "one"}), 401)
		if n := count(); n != 1 {
			t.Errorf("got %d records, want 1", n)
		}
		time.Sleep(10 * time.Second)
		o.want("a reused jti after the end", "/", o.token(map[string]any{"jti": "one"}), 200)
		if n := count(); n != 0 {
			t.Errorf("got %d records, want none", n)
		}
	})
}

// TestRetentionWithoutExpiry holds that where tokens do not end, revocations
// do not end.
func TestRetentionWithoutExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffline(t, func(c *guard.Config) {
			c.AcceptRisk = []string{"jwt.no-expiry"}
			c.Tokens.Issuers[0].Require = []string{"sub"}
			if keep := guard.Retention(*c); keep != 0 {
				t.Errorf("got retention %v, want none", keep)
			}
		})
		defer o.guard.Close()
		raw := o.token(map[string]any{"exp": nil, "jti": "one"})
		o.want("before", "/", raw, 200)
		if err := o.guard.Revoke(t.Context(), guard.Revocation{JTI: "one"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		o.want("three hours later", "/", o.token(map[string]any{"exp": nil, "jti": "one"}), 401)
	})
}

// TestStoreLost holds how long a guard goes on without its store, what it then
// refuses, and that it comes back by itself.
func TestStoreLost(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]frailty{"failing": failing, "hanging": hanging} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				memory := store.NewMemory(nil, 1000)
				defer memory.Close()
				frail := newFrailStore(memory, sound)
				o := newOffline(t, func(c *guard.Config) {
					c.Store = frail
					c.Tokens.Issuers[0].MaxLifetime = 24 * time.Hour
				})
				defer o.guard.Close()
				raw := o.token(map[string]any{"exp": time.Now().Add(10 * time.Hour).Unix()})
				o.want("before", "/", raw, 200)
				frail.set(way)
				time.Sleep(4 * time.Second)
				o.want("lost for less than 5 s", "/", raw, 200)
				o.want("a new token, lost for less than 5 s", "/", o.token(nil), 200)
				got := o.ask("/once", o.token(nil))
				if p := got.problem(); got.status != 503 || p.Detail != "Temporarily unavailable" || got.header.Get("Retry-After") == "" {
					t.Errorf("once: got %v, want 503", got)
				}
				time.Sleep(2 * time.Second)
				for range 3 {
					got := o.ask("/", raw)
					if p := got.problem(); got.status != 503 || p.Detail != "Temporarily unavailable" || got.header.Get("Retry-After") == "" {
						t.Errorf("lost for more than 5 s: got %v, want 503", got)
					}
				}
				o.want("a new token", "/", o.token(nil), 503)
				o.want("no token", "/", "", 401)
				if got := o.ask("/open", raw); got.status != 200 || got.body != "" {
					t.Errorf("public route: got %v, want 200 without the token", got)
				}
				if r := o.guard.Ready(); r.Ready || len(r.Reasons) == 0 {
					t.Errorf("got readiness %+v, want a reason", r)
				}
				time.Sleep(time.Hour)
				o.want("an hour later", "/", raw, 503)
				frail.set(sound)
				time.Sleep(5 * time.Second)
				o.want("5 s after the store came back", "/", raw, 200)
				o.want("once", "/once", o.token(nil), 200)
				if r := o.guard.Ready(); !r.Ready || len(r.Reasons) != 0 {
					t.Errorf("got readiness %+v, want ready", r)
				}
			})
		})
	}
}

// TestStalenessIsConfigured holds that the bound is the configured one.
func TestStalenessIsConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := store.NewMemory(nil, 1000)
		defer memory.Close()
		frail := newFrailStore(memory, sound)
		o := newOffline(t, func(c *guard.Config) { c.Store, c.StoreStaleness = frail, time.Minute })
		defer o.guard.Close()
		raw := o.token(nil)
		frail.set(failing)
		time.Sleep(59 * time.Second)
		o.want("within the bound", "/", raw, 200)
		time.Sleep(2 * time.Second)
		o.want("beyond it", "/", raw, 503)
	})
}

// TestStoreAbsentAtStart holds that a guard starts without its store, soon, and
// behaves as with a store lost.
func TestStoreAbsentAtStart(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]frailty{"failing": failing, "hanging": hanging} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				memory := store.NewMemory(nil, 1000)
				defer memory.Close()
				if err := revocation.Put(t.Context(), memory, guard.Revocation{JTI: "one"}, time.Now(), time.Hour); err != nil {
					t.Fatal(err)
				}
				frail := newFrailStore(memory, way)
				began := time.Now()
				o := newOffline(t, func(c *guard.Config) { c.Store = frail })
				defer o.guard.Close()
				if took := time.Since(began); took > time.Second {
					t.Errorf("New took %v", took)
				}
				revoked := o.token(map[string]any{"jti": "one"})
				o.want("token route", "/", o.token(nil), 503)
				o.want("a token that is revoked, as nobody here knows", "/", revoked, 503)
				o.want("public route", "/open", "", 200)
				if o.guard.Ready().Ready {
					t.Error("ready without a store")
				}
				frail.set(sound)
				time.Sleep(5 * time.Second)
				o.want("token route, later", "/", o.token(nil), 200)
				o.want("a revoked token, later", "/", revoked, 401)
			})
		})
	}
}

// TestBurnWithoutStore holds that a token which came in clear is worthless here
// at once, elsewhere as soon as the store is back, and that the store keeps
// nobody waiting for long.
func TestBurnWithoutStore(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]frailty{"failing": failing, "hanging": hanging} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				memory := store.NewMemory(nil, 1000)
				defer memory.Close()
				frail := newFrailStore(memory, sound)
				here := newOffline(t, func(c *guard.Config) { c.Store, c.StoreStaleness = frail, time.Minute })
				defer here.guard.Close()
				there := newOffline(t, func(c *guard.Config) {
					c.Store = memory
					c.Tokens.Issuers[0].JWKS = jwks(t, here.signer)
				})
				defer there.guard.Close()
				burnt, kept := here.token(nil), here.token(nil)
				here.want("before", "/", burnt, 200)
				there.want("before, elsewhere", "/", burnt, 200)
				frail.set(way)
				began := time.Now()
				if got := here.inClear(burnt); got.status != 403 || got.problem().Detail != "HTTPS required" {
					t.Errorf("in clear: got %v, want 403", got)
				}
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("the refusal took %v", took)
				}
				here.want("at once", "/", burnt, 401)
				here.want("another token", "/", kept, 200)
				time.Sleep(20 * time.Second)
				here.want("while the store is away", "/", burnt, 401)
				there.want("elsewhere, while the store is away", "/", burnt, 200)
				frail.set(sound)
				time.Sleep(5 * time.Second)
				there.want("elsewhere, after the store came back", "/", burnt, 401)
				here.want("after the store came back", "/", burnt, 401)
				there.want("another token, elsewhere", "/", kept, 200)
			})
		})
	}
}

// gatedStore shows a watcher some revocations, and the others when it is let.
type gatedStore struct {
	store.Store
	records []store.Record
	early   int
	gate    chan struct{}
}

func (s *gatedStore) Watch(ctx context.Context, _ string, changed func(store.Record), synced func()) error {
	changed(store.Record{Pass: true, Deleted: true})
	for i, r := range s.records {
		if i == s.early {
			select {
			case <-s.gate:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		changed(r)
	}
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for {
		synced()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// TestNotReadyBeforeTheLast holds that a guard which knows all revocations but
// one decides nothing and says why, and that the last one makes it ready.
func TestNotReadyBeforeTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := store.NewMemory(nil, 1000)
		defer memory.Close()
		const n = 20_000
		gated := &gatedStore{Store: memory, early: n - 1, gate: make(chan struct{})}
		for i := range n {
			key := revocation.Key(revocation.JTI, revocation.Hash(revocation.JTI, strconv.Itoa(i)))
			gated.records = append(gated.records, store.Record{Key: key, Value: []byte("{}"), Expires: time.Now().Add(time.Hour)})
		}
		o := newOffline(t, func(c *guard.Config) { c.Store = gated })
		defer o.guard.Close()
		good := o.token(map[string]any{"jti": "good"})
		time.Sleep(10 * time.Second)
		r := o.guard.Ready()
		if want := "the revocations are being read, 19999 so far"; r.Ready || len(r.Reasons) != 1 || r.Reasons[0] != want {
			t.Errorf("before the last: got %+v, want %q", r, want)
		}
		o.want("a good token, before the last", "/", good, 503)
		o.want("a revoked token, before the last", "/", o.token(map[string]any{"jti": "7"}), 503)
		o.want("public route", "/open", "", 200)
		close(gated.gate)
		time.Sleep(time.Second)
		if r := o.guard.Ready(); !r.Ready {
			t.Errorf("after the last: got %+v, want ready", r)
		}
		o.want("a good token", "/", good, 200)
		for _, i := range []int{0, n / 2, n - 2, n - 1} {
			o.want("a revoked token", "/", o.token(map[string]any{"jti": strconv.Itoa(i)}), 401)
		}
	})
}

// TestLongPassIsLogged holds that whoever waits for many revocations can see
// how far they have come.
func TestLongPassIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := store.NewMemory(nil, 1000)
		defer memory.Close()
		gated := &gatedStore{Store: memory, early: 4095, gate: make(chan struct{})}
		for i := range 5000 {
			key := revocation.Key(revocation.JTI, revocation.Hash(revocation.JTI, strconv.Itoa(i)))
			gated.records = append(gated.records, store.Record{Key: key, Value: []byte("{}")})
		}
		o := newOffline(t, func(c *guard.Config) { c.Store = gated })
		defer o.guard.Close()
		time.Sleep(4 * time.Second)
		close(gated.gate)
		time.Sleep(time.Second)
		for msg, read := range map[string]int{"reading revocations": 4096, "revocations are read": 5000} {
			want := fmt.Sprintf(`"msg":%q,"read":%d,`, msg, read)
			if got := strings.Count(o.log.String(), want); got != 1 {
				t.Errorf("got %d records with %s, want one", got, want)
			}
		}
	})
}

// TestBurnOutlivesAPass holds that a burn which the store has not taken yet is
// not forgotten because a pass over the store does not show it.
func TestBurnOutlivesAPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := store.NewMemory(nil, 1000)
		defer memory.Close()
		frail := newFrailStore(memory, sound)
		readOnly := &refusingStore{frail}
		o := newOffline(t, func(c *guard.Config) { c.Store = readOnly })
		defer o.guard.Close()
		burnt, kept := o.token(nil), o.token(nil)
		o.want("before", "/", burnt, 200)
		o.inClear(burnt)
		o.want("at once", "/", burnt, 401)
		frail.set(failing) // the watcher is thrown out, and begins anew
		time.Sleep(time.Second)
		frail.set(sound)
		for range 5 {
			time.Sleep(time.Second)
			o.want("after a pass", "/", burnt, 401)
		}
		o.want("another token", "/", kept, 200)
	})
}

// refusingStore can be read and watched, but takes nothing.
type refusingStore struct{ store.Store }

func (s *refusingStore) Replace(context.Context, string, []byte, []byte, time.Time) error {
	return errAway
}
