package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/wiretight/wiretight/guard"
)

const groupStolen = "Stolen, used and worn tokens"

// stolenRows use genuine tokens in ways that only a thief does.
func (b *demoBed) stolenRows() []demoRow {
	return []demoRow{
		{group: groupStolen, name: "Revoked token", run: b.revoked},
		{group: groupStolen, name: "Second use where one is allowed", run: b.twice},
		{group: groupStolen, name: "DPoP proof used twice", run: b.proofTwice},
		{group: groupStolen, name: "DPoP proof for another path", run: b.withProof("GET", "/items", "DPoP")},
		{group: groupStolen, name: "DPoP token under Bearer", run: b.withProof("GET", "/profile", "Bearer")},
		{group: groupStolen, name: "Bound token without its cookie", run: asks(
			func(*demoSide) ask {
				sum := sha256.Sum256([]byte(rand.Text()))
				return ask{path: "/profile", header: bearer(b.mint(map[string]any{"cnf": map[string]string{"fp#S256": base64.RawURLEncoding.EncodeToString(sum[:])}}))}
			}, succeeds)},
		{group: groupStolen, name: "Token without the scope", run: asks(
			func(*demoSide) ask { return ask{path: "/admin/stats", header: bearer(b.mint(nil))} }, succeeds)},
		{group: groupStolen, name: "Key fetched from the attacker", run: b.keyFetched},
		{group: groupStolen, name: "Guessing: 40 tokens a second", run: b.guessing},
		{group: groupStolen, name: "Event stream beyond its token", slow: true, run: b.longStream},
		{group: groupStolen, name: "WebSocket beyond its token", slow: true, run: b.longSocket},
	}
}

// soonKnown is how long a revocation is waited for: the second in which it holds
// everywhere, five times over for a busy machine.
const soonKnown = 5 * time.Second

// revoked logs out, as far as there is such a thing, and goes on.
func (b *demoBed) revoked(ctx context.Context, s *demoSide) outcome {
	jti := rand.Text()
	raw := b.mint(map[string]any{"jti": jti})
	first, err := s.do(ctx, ask{path: "/profile", header: bearer(raw)})
	if err != nil {
		return failed(err)
	}
	if s.guarded {
		if err := b.guard.Revoke(ctx, guard.Revocation{JTI: jti}); err != nil {
			return failed(err)
		}
	} else if _, err := s.do(ctx, ask{method: "POST", path: "/logout", header: bearer(raw)}); err != nil {
		return failed(err)
	}
	o := outcome{passed: true, text: "still good"}
	deadline := time.Now().Add(soonKnown)
	for o.passed && time.Now().Before(deadline) {
		again, err := s.do(ctx, ask{path: "/profile", header: bearer(raw)})
		if err != nil {
			return failed(err)
		}
		o = outcome{passed: again.success(), text: first.number() + ", then " + again.number(), ids: []string{again.id()}}
		if !s.guarded {
			break
		}
	}
	return o
}

// twice uses one token for two payments.
func (b *demoBed) twice(ctx context.Context, s *demoSide) outcome {
	header := bearer(b.mint(nil))
	return s.twice(ctx, ask{method: "POST", path: "/pay", header: header})
}

// twice makes a request that may pass once.
func (s *demoSide) twice(ctx context.Context, q ask) outcome {
	first, err := s.do(ctx, q)
	if err != nil {
		return failed(err)
	}
	second, err := s.do(ctx, q)
	if err != nil {
		return failed(err)
	}
	if !first.success() {
		return failed(fmt.Errorf("first use: got %d", first.status))
	}
	return outcome{passed: second.success(), text: first.number() + ", then " + second.number(), ids: []string{second.id()}}
}

func (b *demoBed) proofTwice(ctx context.Context, s *demoSide) outcome {
	q, err := b.bound(s, "GET", "/profile", "DPoP")
	if err != nil {
		return failed(err)
	}
	q.path = "/profile"
	return s.twice(ctx, q)
}

// withProof asks for the profile with a proof that is for something else, or
// under another scheme.
func (b *demoBed) withProof(method, path, scheme string) func(context.Context, *demoSide) outcome {
	return func(ctx context.Context, s *demoSide) outcome {
		q, err := b.bound(s, method, path, scheme)
		if err != nil {
			return failed(err)
		}
		q.path = "/profile"
		a, err := s.do(ctx, q)
		if err != nil {
			return failed(err)
		}
		return outcome{passed: a.success(), text: a.number(), ids: []string{a.id()}}
	}
}

// bound makes a DPoP-bound token and a proof for method and path.
func (b *demoBed) bound(s *demoSide, method, path, scheme string) (ask, error) {
	key, err := newProofKey()
	if err != nil {
		return ask{}, err
	}
	raw := b.mint(map[string]any{"cnf": map[string]string{"jkt": key.thumbprint}})
	proof, err := key.proof(method, s.base+path, raw)
	return ask{method: method, path: path, header: []string{"Authorization", scheme + " " + raw, "Dpop", proof}}, err
}

// keyFetched looks at whether a token can make its verifier call somebody.
func (b *demoBed) keyFetched(ctx context.Context, s *demoSide) (o outcome) {
	m, err := b.material()
	if err != nil {
		return failed(err)
	}
	before := b.attacker.calls.Load()
	for _, raw := range keyURLTokens(m) {
		a, err := s.do(ctx, ask{path: "/profile", header: bearer(raw)})
		if err != nil {
			return failed(err)
		}
		o.ids = append(o.ids, a.id())
	}
	calls := b.attacker.calls.Load() - before
	o.passed, o.text = calls > 0, fmt.Sprintf("%d calls", calls)
	return o
}

// guessing shows bad tokens faster than any client would.
func (b *demoBed) guessing(ctx context.Context, s *demoSide) outcome {
	raw := b.mint(nil)
	for i := range 40 {
		a, err := s.do(ctx, ask{path: "/profile", header: bearer(raw[:len(raw)-20] + rand.Text()[:20]), base: s.limited})
		if err != nil {
			return failed(err)
		}
		if a.status == http.StatusTooManyRequests {
			return outcome{text: fmt.Sprintf("429 from no. %d", i+1), ids: []string{a.id()}}
		}
	}
	return outcome{passed: true, text: "40 looked at"}
}

// The streams below get a token that ends soon. They are watched until some
// time after that.
const (
	tokenLeft  = 2 * time.Second
	watchUntil = 1500 * time.Millisecond // after the token's end
	cutUntil   = 15 * time.Second        // where a cut is expected, on a busy machine
)

// beyondToken watches a stream beyond the end of its token. If the machine was so
// busy that the token ended before the stream began, another gets longer.
func (s *demoSide) beyondToken(ctx context.Context, watch func(ctx context.Context, end time.Time) (o outcome, began bool)) outcome {
	for left := tokenLeft; ; left *= 2 {
		end := time.Now().Truncate(time.Second).Add(left)
		until := end.Add(watchUntil)
		if s.guarded {
			until = end.Add(cutUntil)
		}
		watched, cancel := context.WithDeadline(ctx, until)
		o, began := watch(watched, end)
		cancel()
		if began || left > 4*tokenLeft || ctx.Err() != nil || time.Now().Before(end) {
			return o
		}
	}
}

// longStream reads events for longer than the token is good.
func (b *demoBed) longStream(ctx context.Context, s *demoSide) outcome {
	return s.beyondToken(ctx, func(ctx context.Context, end time.Time) (outcome, bool) { return b.watchStream(ctx, s, end) })
}

func (b *demoBed) watchStream(ctx context.Context, s *demoSide, end time.Time) (o outcome, began bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/events", nil)
	if err != nil {
		return failed(err), false
	}
	r.Header.Set("Authorization", "Bearer "+b.mint(map[string]any{"exp": end.Unix()}))
	res, err := s.client.Do(r)
	if err != nil {
		return failed(err), false
	}
	defer func() { _ = res.Body.Close() }() // cut or no longer wanted
	events := 0
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if lines.Text() == "" {
			events++
		}
	}
	return streamed(ctx, events, res.Header.Get("X-Request-Id"), end), events > 0
}

// longSocket does the same with a WebSocket.
func (b *demoBed) longSocket(ctx context.Context, s *demoSide) outcome {
	return s.beyondToken(ctx, func(ctx context.Context, end time.Time) (outcome, bool) { return b.watchSocket(ctx, s, end) })
}

func (b *demoBed) watchSocket(ctx context.Context, s *demoSide, end time.Time) (o outcome, began bool) {
	conn, answer, err := s.dial(ctx, s.base, bearer(b.mint(map[string]any{"exp": end.Unix()}))...)
	if err != nil {
		return failed(err), false
	}
	defer func() { _ = conn.CloseNow() }() // cut or no longer wanted
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	echoes := 0
	for ctx.Err() == nil {
		if conn.Write(ctx, websocket.MessageText, []byte("still here")) != nil {
			break
		}
		if _, _, err := conn.Read(ctx); err != nil {
			break
		}
		echoes++
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return streamed(ctx, echoes, answer.id, end), echoes > 0
}

// streamed judges a stream that has ended, or was watched to the end.
func streamed(ctx context.Context, n int, id string, end time.Time) outcome {
	if n == 0 {
		return failed(errors.New("the stream never began"))
	}
	if ctx.Err() != nil {
		return outcome{passed: true, text: "goes on", ids: []string{id}}
	}
	return outcome{text: fmt.Sprintf("cut %.1fs after", max(0, time.Since(end).Seconds())), ids: []string{id}}
}
