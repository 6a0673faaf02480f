package scan

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wiretight/wiretight/internal/redact"
)

// oracle remembers when the genuine token was last seen to be good, in the order
// of requests: bad tokens may lock it out.
type oracle struct {
	clock atomic.Int64
	mu    sync.Mutex
	good  map[string]int64 // operation's URL -> clock at the start of the request
}

// witness is what one check has asked the oracle. The scheduler looks at it when
// the check is done.
type witness struct {
	mu   sync.Mutex
	last map[string]int64 // URL -> clock after the last attack
	ops  map[string]Protected
}

type witnessKey struct{}

func (w *witness) saw(p Protected, at int64) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last, w.ops = map[string]int64{}, map[string]Protected{}
	}
	w.last[p.URL], w.ops[p.URL] = at, p
}

// Accepted decides whether the target takes token for p: its answer is that to
// the genuine token in two of two tries, and the genuine token is still good
// afterwards. A refused token costs one request; that the genuine token outlived
// a check's refused ones is found out when the check has passed.
func (t *Target) Accepted(ctx context.Context, p Protected, token string) (Acceptance, error) {
	switch {
	case t.config.Passive:
		return Acceptance{Inconclusive: "a passive scan sends no token but the genuine one"}, nil
	case !p.Eligible:
		return Acceptance{Inconclusive: p.Reason}, nil
	}
	w, _ := ctx.Value(witnessKey{}).(*witness)
	a := Acceptance{Repeat: repeat(p)}
	r, err := t.Do(ctx, p.Request(token))
	w.saw(p, t.oracle.clock.Add(1))
	if err != nil {
		return a, err
	}
	a.Response = r
	if !p.Genuine(r) {
		a.Inconclusive = undecided(r)
		a.Evidence = t.evidence(p, token, r, nil)
		return a, nil
	}
	again := p.Request(token)
	again.NoKeepAlive = true
	second, err := t.Do(ctx, again)
	w.saw(p, t.oracle.clock.Add(1))
	if err != nil {
		return a, err
	}
	a.Response = second
	if !p.Genuine(second) {
		a.Inconclusive = fmt.Sprintf("the token was taken once, and then answered with %d", second.Status)
		a.Evidence = t.evidence(p, token, second, nil)
		return a, nil
	}
	control, err := t.control(ctx, p)
	if err != nil {
		return a, err
	}
	a.Evidence = t.evidence(p, token, second, control)
	if a.Accepted = p.Genuine(control); !a.Accepted {
		a.Inconclusive = fmt.Sprintf("afterwards the genuine token itself was answered with %d", control.Status)
	}
	return a, nil
}

// undecided says why an answer that is not the genuine one is no refusal either.
func undecided(r *Response) string {
	switch {
	case r.Status == 429:
		return "the target answered 429: it limits attempts"
	case r.Status >= 500:
		return fmt.Sprintf("the target answered %d to the token", r.Status)
	}
	return ""
}

// control sends the genuine token.
func (t *Target) control(ctx context.Context, p Protected) (*Response, error) {
	token, _ := t.Token()
	began := t.oracle.clock.Add(1)
	r, err := t.Do(ctx, p.Request(string(token.Raw.Reveal())))
	if err != nil {
		return nil, err
	}
	if p.Genuine(r) {
		t.oracle.mu.Lock()
		if t.oracle.good == nil {
			t.oracle.good = map[string]int64{}
		}
		t.oracle.good[p.URL] = max(t.oracle.good[p.URL], began)
		t.oracle.mu.Unlock()
	}
	return r, nil
}

// outlived tells whether the genuine token is still good after all that w saw,
// and if not, why a check's refusals mean nothing.
func (t *Target) outlived(ctx context.Context, w *witness) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for url, last := range w.last {
		t.oracle.mu.Lock()
		good := t.oracle.good[url]
		t.oracle.mu.Unlock()
		if good > last {
			continue
		}
		r, err := t.control(ctx, w.ops[url])
		if err != nil {
			return "whether the genuine token was still good could not be asked: " + err.Error()
		}
		if !w.ops[url].Genuine(r) {
			return fmt.Sprintf("after the attempts, the genuine token itself was answered with %d: their refusal says nothing", r.Status)
		}
	}
	return ""
}

// evidence has one line a request, and no token.
func (t *Target) evidence(p Protected, token string, attack, control *Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", p.Method, p.URL)
	line := func(what string, r *Response) {
		if r != nil {
			fmt.Fprintf(&b, "  %-30s %s\n", what, t.Summary(r))
		}
	}
	line("no credential", p.B0)
	line("garbage", p.Bg)
	line("random signature", p.Br)
	line("genuine token", p.Bv)
	line("this token "+redact.Token(token), attack)
	if control != nil {
		line("this token again", attack)
		line("genuine token afterwards", control)
	}
	return t.Mask(b.String())
}

// Summary shows an answer in one line: status, media type, length and, of JSON,
// its keys. It is masked.
func (t *Target) Summary(r *Response) string {
	if r == nil {
		return "no answer"
	}
	s := itoa(r.Status)
	if r.Class.Media != "" {
		s += " " + r.Class.Media
	}
	s += fmt.Sprintf(", %d bytes", len(r.Body))
	if keys, ok := strings.CutPrefix(r.Class.Shape, "json {} "); ok && len(keys) < 120 {
		s += ", keys " + keys
	}
	return t.Mask(s)
}

// repeat is a command that shows what the operation answers to $TOKEN.
func repeat(p Protected) string {
	how := `-H "Authorization: Bearer $TOKEN"`
	if p.Cookie != "" {
		how = `-b "` + p.Cookie + `=$TOKEN"`
	}
	method := ""
	if p.Method != "GET" {
		method = "-X " + p.Method + " "
	}
	return "curl -i " + method + how + " " + shellQuote(p.URL)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func itoa(n int) string { return strconv.Itoa(n) }
