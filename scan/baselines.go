package scan

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
)

const (
	enoughProtected = 3
	maxMeasured     = 9
	maxMarkers      = 12
	garbage         = "wt.garbage.x"
)

// Random is n bytes from crypto/rand in hexadecimal, for names that nobody has.
func Random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// resigned is the token under a random signature of the same length, or, if it is
// no JWT, random text of the same length.
func resigned(token string) string {
	i := strings.LastIndexByte(token, '.')
	b := make([]byte, len(token))
	_, _ = rand.Read(b)
	text := base64.RawURLEncoding.EncodeToString(b)
	if i < 0 {
		return text[:len(token)]
	}
	return token[:i+1] + text[:len(token)-i-1]
}

// placement is one way in which the token may travel.
type placement struct{ cookie, companion string }

func (t *Target) placements() []placement {
	var list []placement
	s, ok := t.Session()
	if ok && s.AccessCookie != "" {
		list = append(list, placement{cookie: s.AccessCookie, companion: s.companions()})
	}
	list = append(list, placement{})
	if ok && s.companions() != "" {
		list = append(list, placement{companion: s.companions()})
	}
	if t.surface.spec != nil {
		for _, scheme := range t.surface.spec.Schemes {
			if scheme.Type == "apiKey" && scheme.In == "cookie" {
				list = append(list, placement{cookie: scheme.Parameter})
			}
		}
	}
	return slices.Compact(list)
}

// measure asks for the baselines of an operation.
func (t *Target) measure(ctx context.Context, o Operation) (Protected, error) {
	p := Protected{Operation: o}
	token, ok := t.Token()
	if !ok {
		p.Reason = "there is no token"
		var err error
		p.B0, err = t.Do(ctx, p.Request(""))
		return p, err
	}
	raw := string(token.Raw.Reveal())
	err := t.place(ctx, &p, raw)
	if errors.Is(err, ErrExposed) {
		p.Reason = t.exposure()
		p.B0, err = t.Do(ctx, p.Request(""))
		return p, err
	}
	if err != nil {
		return p, err
	}
	ask := func(into **Response, credential string) func() error {
		r := p.Request(credential)
		return func() (err error) {
			*into, err = t.Do(ctx, r)
			return err
		}
	}
	if err := together(ask(&p.B0, ""), ask(&p.Bg, garbage), ask(&p.Br, resigned(raw))); err != nil {
		return p, err
	}
	// The second comes after the bad ones: it tells whether they did any harm.
	if p.Bv2, err = t.Do(ctx, p.Request(raw)); err != nil {
		return p, err
	}
	p.Reason = p.ineligible()
	if bound := boundBy(token, p.Bv); bound != "" && !p.Bv.OK() {
		p.Reason += "; " + bound
	}
	p.Eligible = p.Reason == ""
	return p, nil
}

// boundBy says to what key of its client a token is bound, which the scan does not
// have: by its cnf claim (RFC 7800), or by what the refusal of it asks for.
func boundBy(token Token, refusal *Response) string {
	cnf, _ := token.Claims["cnf"].(map[string]any)
	asks := func(scheme string) bool {
		return slices.ContainsFunc(refusal.Header.Values("WWW-Authenticate"), func(v string) bool {
			name, _, _ := strings.Cut(v, " ")
			return strings.EqualFold(name, scheme)
		})
	}
	switch {
	case cnf["jkt"] != nil || asks("DPoP"):
		return "it is bound to its client by DPoP (RFC 9449), and the scan has no key to make a proof with: scan with a token that is not bound"
	case cnf["x5t#S256"] != nil:
		return "it is bound to its client's certificate (RFC 8705), which the scan does not have: scan with a token that is not bound"
	case cnf != nil:
		return "it is bound to a key of its client (cnf, RFC 7800), which the scan does not have: scan with a token that is not bound"
	}
	return ""
}

// place finds out how the token has to travel for the operation to accept it.
func (t *Target) place(ctx context.Context, p *Protected, raw string) error {
	var best *Response
	for _, way := range t.placements() {
		try := Protected{Operation: p.Operation, Cookie: way.cookie, Companion: way.companion}
		r, err := t.Do(ctx, try.Request(raw))
		if err != nil {
			return err
		}
		if best == nil || r.OK() {
			best, p.Cookie, p.Companion = r, way.cookie, way.companion
		}
		if r.OK() {
			break
		}
	}
	p.Bv = best
	return nil
}

// exposure says why a genuine token may not be sent.
func (t *Target) exposure() string {
	if t.HTTPS() {
		return "the certificate is not trusted, so the token would be shown to whoever holds it; give --ca FILE if it is your own"
	}
	return "the target is plain HTTP and not on loopback: the token would travel in clear"
}

// ineligible says why the answers do not tell acceptance from refusal, after
// finding the words that do.
func (p *Protected) ineligible() string {
	switch {
	case p.Bv.Status == 429 || p.Bv2.Status == 429:
		return "the operation answers 429 to the genuine token"
	case p.Bv.Status >= 500 || p.Bv2.Status >= 500:
		return "the operation answers the genuine token with a server error"
	case !p.Bv.OK():
		return "the operation refuses the token: status " + itoa(p.Bv.Status)
	case !p.Bv2.OK():
		return "the operation took the genuine token once, and refused it after bad ones: status " + itoa(p.Bv2.Status)
	case p.Bv.Class.Status != p.Bv2.Class.Status || p.Bv.Class.Media != p.Bv2.Class.Media:
		return "the operation answers differently each time"
	}
	same := false
	for _, control := range []*Response{p.B0, p.Bg, p.Br} {
		same = same || p.alike(control)
	}
	if !same {
		return ""
	}
	p.markers = markers(p)
	if len(p.markers) > 0 {
		return ""
	}
	if p.alike(p.B0) {
		return "the operation answers alike without any credential"
	}
	if p.alike(p.Bg) {
		return "the operation answers alike to any credential"
	}
	return "the operation answers alike to a token with a random signature"
}

// markers are words of both genuine answers that no control has.
func markers(p *Protected) []string {
	second := words(p.Bv2.Body)
	controls := words(slices.Concat(p.B0.Body, []byte(" "), p.Bg.Body, []byte(" "), p.Br.Body))
	var list []string
	for w := range words(p.Bv.Body) {
		if second[w] && !controls[w] {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return list[:min(len(list), maxMarkers)]
}

// together runs the functions side by side and returns the first error in their
// order.
func together(fs ...func() error) error {
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// protect measures operations until there are enough that can be judged.
func (t *Target) protect(ctx context.Context) {
	if _, ok := t.Token(); !ok {
		t.surface.unprotected = cmp.Or(t.surface.unprotected, "no token was given: give --token-file FILE, or --login-url with --login-data or --login-json")
		return
	}
	candidates := t.candidates()
	if len(candidates) == 0 {
		t.surface.unprotected = "no operation is known that can be called safely: name one with --protected PATH"
		return
	}
	refused := false
	for chunk := range slices.Chunk(candidates[:min(len(candidates), maxMeasured)], enoughProtected) {
		list := make([]Protected, len(chunk))
		var wg sync.WaitGroup
		for i, o := range chunk {
			wg.Go(func() {
				p, err := t.Baseline(ctx, o)
				if err != nil {
					p.Reason = err.Error()
				}
				list[i] = p
			})
		}
		wg.Wait()
		for _, p := range list {
			switch {
			case p.Eligible && len(t.surface.protected) < enoughProtected:
				t.surface.protected = append(t.surface.protected, p)
			case !p.Eligible:
				refused = refused || p.Bv != nil && p.Bv.Status == 401
				t.surface.unprotected = cmp.Or(t.surface.unprotected, p.Method+" "+p.Path+": "+t.Mask(p.Reason))
			}
		}
		if len(t.surface.protected) >= enoughProtected || ctx.Err() != nil {
			break
		}
	}
	switch {
	case len(t.surface.protected) > 0:
		t.surface.unprotected = ""
	case refused:
		t.surface.fault = cmp.Or(t.surface.fault, "no operation accepted the token: "+t.surface.unprotected)
	}
}

// candidates are the operations that the oracle may use, the likeliest first.
func (t *Target) candidates() []Operation {
	var list []Operation
	for _, o := range t.surface.operations {
		if o.Method == "GET" {
			list = append(list, o)
		}
	}
	rank := func(o Operation) int {
		n := 0
		if !o.Secured {
			n += 2
		}
		if o.Guessed {
			n++
		}
		return n
	}
	slices.SortStableFunc(list, func(a, b Operation) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}
