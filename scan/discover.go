package scan

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Where descriptions, metadata and keys usually are.
var (
	specPlaces      = []string{"/openapi.json", "/swagger.json", "/v3/api-docs", "/openapi.yaml", "/api/openapi.json", "/swagger/v1/swagger.json", "/v2/api-docs", "/api-docs", "/api/v1/openapi.json"}
	discoveryPlaces = []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"}
	keyPlaces       = []string{"/.well-known/jwks.json", "/jwks.json", "/jwks", "/public-key", "/encryptionkeys/jwt.pub"}
	// usualProtected are tried when nothing else is known of the API.
	usualProtected = []string{"/me", "/users/me", "/api/me", "/profile", "/api/profile", "/api/v1/users/me", "/userinfo"}
)

const maxElsewhere = 4 // documents fetched from other hosts

// surface is what is known of the API before the checks begin. Nothing changes it
// afterwards.
type surface struct {
	root, notFound *Response
	loopback       bool
	local          string // the scan's own address towards the target
	spec           *Spec
	notes          []string
	discovery      []Document
	keys           []KeySetDoc
	stack          Stack
	operations     []Operation
	protected      []Protected
	unprotected    string
	session        *Session
	token          Token
	haveToken      bool
	// fault says why the credentials that the user gave are of no use. A scan
	// that could not do what it was asked for is not complete.
	fault string
	large sync.Mutex
}

// Spec is the API's description. Nil: none was found.
func (t *Target) Spec() *Spec { return t.surface.spec }

// Discovery are the issuer's metadata documents that were found.
func (t *Target) Discovery() []Document { return t.surface.discovery }

// JWKS are the published keys that were found, on the target and where its
// metadata points to.
func (t *Target) JWKS() []KeySetDoc { return t.surface.keys }

// Stack is what the answers tell of the software behind them. Framework is one of
// FastAPI, Starlette, Flask, Django, Express, Spring, Go, or empty.
func (t *Target) Stack() Stack { return t.surface.stack }

// Token is the user's token, or what the login gave. ok is false when there is
// neither.
func (t *Target) Token() (token Token, ok bool) { return t.surface.token, t.surface.haveToken }

// explore learns the surface. The error says that the target does not answer.
func (t *Target) explore(ctx context.Context) error {
	s := &t.surface
	var err error
	if s.root, err = t.Do(ctx, Request{}); err != nil {
		return err
	}
	t.readToken()
	var spec *Spec
	var documents []Document
	var keys []KeySetDoc
	_ = together(
		func() error { s.notFound, _ = t.Do(ctx, Request{Path: "/wt-" + Random(6)}); return nil },
		func() error { spec = t.findSpec(ctx); return nil },
		func() error { documents = t.findDocuments(ctx); return nil },
		func() error { keys = t.findKeys(ctx); return nil },
	)
	s.spec, s.discovery, s.keys = spec, documents, keys
	s.operations = t.listOperations()
	if !s.haveToken && t.CanLogin() {
		t.firstLogin(ctx)
	}
	t.followKeys(ctx)
	t.protect(ctx)
	s.stack = t.readStack()
	return ctx.Err()
}

func (t *Target) readToken() {
	if t.config.Token.Empty() {
		return
	}
	t.surface.token, t.surface.haveToken = ReadToken(string(t.config.Token.Reveal())), true
	if end := t.surface.token.Expiry; !end.IsZero() && end.Before(t.now()) {
		t.surface.fault = "the token expired at " + end.UTC().Format(time.RFC3339)
	}
}

func (t *Target) firstLogin(ctx context.Context) {
	session, err := t.Login(ctx)
	if err != nil {
		t.surface.unprotected = t.Mask(err.Error())
		t.surface.fault = t.surface.unprotected
		return
	}
	t.surface.session = &session
	t.surface.token, t.surface.haveToken = ReadToken(string(session.Access.Reveal())), true
}

// places completes paths with the base path of the scanned URL and without it.
func (t *Target) places(paths []string) []string {
	base := strings.TrimRight(t.base.EscapedPath(), "/")
	var list []string
	if base != "" {
		for _, p := range paths[:min(2, len(paths))] {
			list = append(list, base+p)
		}
	}
	return append(list, paths...)
}

// fetch gets a document of the target with a body of more than the usual size.
func (t *Target) fetch(ctx context.Context, at string, limit int64) (*Response, error) {
	r := Request{Path: at}
	if strings.Contains(at, "://") {
		r = Request{URL: at}
	}
	u, err := t.resolve(r)
	if err != nil {
		return nil, err
	}
	res, err := t.send(ctx, r, u, limit)
	if err != nil {
		return nil, err
	}
	if next, ok := t.redirect(r, u, res); ok {
		return t.send(ctx, r, next, limit)
	}
	return res, nil
}

// findSpec takes what the user gave, or looks at the usual places, the likeliest
// alone at first.
func (t *Target) findSpec(ctx context.Context) *Spec {
	if t.config.OpenAPIData != nil {
		s, err := ParseSpec(t.config.OpenAPI, t.config.OpenAPIData, t.Base())
		if err != nil {
			t.surface.notes = append(t.surface.notes, err.Error())
		}
		return s
	}
	if t.config.OpenAPI != "" {
		s, err := t.specAt(ctx, t.onTarget(t.config.OpenAPI))
		if err != nil {
			t.surface.notes = append(t.surface.notes, "--openapi: "+err.Error())
		}
		return s
	}
	places := t.places(specPlaces)
	for chunk := range slices.Chunk(places, 3) {
		found := make([]*Spec, len(chunk))
		var wg sync.WaitGroup
		for i, place := range chunk {
			wg.Go(func() { found[i], _ = t.specAt(ctx, place) })
		}
		wg.Wait()
		for _, s := range found {
			if s != nil {
				return s
			}
		}
	}
	return nil
}

func (t *Target) specAt(ctx context.Context, at string) (*Spec, error) {
	res, err := t.fetch(ctx, at, maxBody)
	if err != nil {
		return nil, err
	}
	if res.Status == http.StatusOK {
		t.surface.large.Lock() // one at a time: they cost memory
		defer t.surface.large.Unlock()
	}
	if head := res.Body[:min(len(res.Body), 4<<10)]; res.Truncated && (bytes.Contains(head, []byte("openapi")) || bytes.Contains(head, []byte("swagger"))) {
		if res, err = t.fetch(ctx, at, maxSpec+1); err != nil {
			return nil, err
		}
	}
	if res.Status != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", at, res.Status)
	}
	if res.Class.Media == "text/html" {
		return nil, fmt.Errorf("%s is a page", at)
	}
	return ParseSpec(res.URL, res.Body, t.Base())
}

func (t *Target) findDocuments(ctx context.Context) []Document {
	places := t.places(discoveryPlaces)
	found := make([]*Document, len(places))
	var wg sync.WaitGroup
	for i, place := range places {
		wg.Go(func() {
			res, err := t.fetch(ctx, place, maxBody)
			if err == nil {
				found[i] = readDocument(res)
			}
		})
	}
	wg.Wait()
	var list []Document
	for _, d := range found {
		if d != nil {
			list = append(list, *d)
		}
	}
	return list
}

func readDocument(res *Response) *Document {
	if res.Status != http.StatusOK {
		return nil
	}
	fields, ok := decodeObject(res.Body)
	if !ok || fields["issuer"] == nil && fields["jwks_uri"] == nil && fields["token_endpoint"] == nil {
		return nil
	}
	return &Document{URL: res.URL, Fields: fields, Response: res}
}

func (t *Target) findKeys(ctx context.Context) []KeySetDoc {
	places := t.places(keyPlaces)
	found := make([]*KeySetDoc, len(places))
	var wg sync.WaitGroup
	for i, place := range places {
		wg.Go(func() {
			if res, err := t.fetch(ctx, place, maxBody); err == nil {
				found[i] = readKeys(res)
			}
		})
	}
	wg.Wait()
	var list []KeySetDoc
	for _, d := range found {
		if d != nil && !slices.ContainsFunc(list, func(o KeySetDoc) bool { return bytes.Equal(o.Raw, d.Raw) }) {
			list = append(list, *d)
		}
	}
	return list
}

// readKeys takes a key set, a single JWK or a PEM key.
func readKeys(res *Response) *KeySetDoc {
	if res.Status != http.StatusOK {
		return nil
	}
	doc := &KeySetDoc{URL: res.URL, Raw: res.Body, Response: res}
	if bytes.Contains(res.Body, []byte("-----BEGIN ")) && len(res.Body) < 64<<10 && !looksJSON(res.Body) && res.Class.Media != "text/html" {
		return doc
	}
	fields, ok := decodeObject(res.Body)
	if !ok {
		return nil
	}
	list, isSet := fields["keys"].([]any)
	if !isSet && fields["kty"] != nil {
		list = []any{fields}
	}
	for _, k := range list[:min(len(list), 100)] {
		if o, ok := k.(map[string]any); ok && o["kty"] != nil {
			doc.Keys = append(doc.Keys, o)
		}
	}
	if len(doc.Keys) == 0 && !isSet {
		return nil
	}
	return doc
}

// followKeys fetches the key sets that metadata names, the metadata of the
// token's issuer, and the key set named there, each where that is another place.
func (t *Target) followKeys(ctx context.Context) {
	s := &t.surface
	left := maxElsewhere
	seen := map[string]bool{}
	for _, k := range s.keys {
		seen[k.URL] = true
	}
	get := func(at string) *Response {
		u, err := url.Parse(at)
		if err != nil || u.Host == "" || seen[at] || left == 0 {
			return nil
		}
		seen[at] = true
		left--
		res, err := t.elsewhere(ctx, u)
		if err != nil {
			return nil
		}
		return res
	}
	if iss := s.token.Issuer; strings.Contains(iss, "://") && !strings.EqualFold(hostOf(iss), t.base.Host) {
		for _, place := range discoveryPlaces {
			if res := get(strings.TrimRight(iss, "/") + place); res != nil {
				if d := readDocument(res); d != nil {
					s.discovery = append(s.discovery, *d)
					break
				}
			}
		}
	}
	for _, d := range s.discovery {
		at, _ := d.Fields["jwks_uri"].(string)
		if res := get(at); res != nil {
			if k := readKeys(res); k != nil {
				s.keys = append(s.keys, *k)
			}
		}
	}
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// elsewhere fetches a public document, perhaps of another host: by HTTPS from a
// public address, unless the target itself is on a private one. A hostile
// document cannot make the scan ask the network that it runs in.
func (t *Target) elsewhere(ctx context.Context, u *url.URL) (*Response, error) {
	if strings.EqualFold(u.Hostname(), t.Host()) {
		return t.fetch(ctx, u.String(), maxBody)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && t.surface.loopback && loopbackName(u.Hostname())) {
		return nil, errors.New("only https is fetched from other hosts")
	}
	if err := t.budget.take(ctx); err != nil {
		return nil, err
	}
	defer t.budget.give()
	r := Request{NoKeepAlive: true}
	return t.outside.exchange(ctx, message{
		end: t.endpoint(r, u), method: "GET", url: u.String(), bytes: encode(r, u), fresh: true, body: maxBody, timeout: t.timeout(),
	})
}

// listOperations joins the description's operations, the user's paths, and where
// there is neither, the scanned URL.
func (t *Target) listOperations() []Operation {
	var list []Operation
	if t.surface.spec != nil {
		list = slices.Clone(t.surface.spec.Operations)
	}
	for _, p := range t.config.Protected {
		at := t.onTarget(p)
		i := slices.IndexFunc(list, func(o Operation) bool { return o.Method == "GET" && o.URL == at })
		if i >= 0 {
			list[i].Secured = true
			continue
		}
		list = append(list, Operation{Method: "GET", Path: p, URL: at, Secured: true})
	}
	if len(list) > 0 {
		return list
	}
	list = []Operation{{Method: "GET", Path: cmp.Or(t.base.EscapedPath(), "/"), URL: t.base.String()}}
	if t.surface.haveToken || t.config.LoginURL != "" {
		for _, p := range usualProtected {
			list = append(list, Operation{Method: "GET", Path: p, URL: t.onTarget(p), Guessed: true})
		}
	}
	return list
}
