package keyset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// errNotMetadata says that a well-known place answered, but has no metadata;
// the other place may have it.
var errNotMetadata = errors.New("no issuer metadata")

// discover finds the URL of the key set in the issuer's metadata. It asks on
// each fetch, so that an issuer may move its keys.
func (f *fetcher) discover(ctx context.Context) (*url.URL, error) {
	first, err := f.metadata(ctx, openIDPlace(f.url))
	if err == nil || !tryOther(err) {
		return first, err
	}
	second, other := f.metadata(ctx, oauthPlace(f.url))
	if other != nil {
		return nil, fmt.Errorf("%w; %w", err, other)
	}
	return second, nil
}

// tryOther is false for what the other place would only repeat or paper over:
// an issuer that is down, and metadata that is wrong.
func tryOther(err error) bool {
	var status statusError
	if errors.As(err, &status) {
		return status >= 400 && status < 500
	}
	return errors.Is(err, errNotMetadata)
}

func (f *fetcher) metadata(ctx context.Context, at *url.URL) (*url.URL, error) {
	got, err := f.get(ctx, at, nil)
	if err != nil {
		return nil, err
	}
	raw, err := keySetURL(got.body, f.issuer)
	if err != nil {
		return nil, fmt.Errorf("metadata at %s: %w", redact(got.url), err)
	}
	// Metadata that came over http from loopback may name http on loopback;
	// metadata that came over https may not step down.
	u, err := parseURL(raw, strings.HasPrefix(got.url, "http:"))
	if err != nil {
		return nil, fmt.Errorf("jwks_uri %s in the metadata at %s: %w", redact(raw), redact(got.url), err)
	}
	return u, nil
}

// openIDPlace is OpenID Connect Discovery 1.0 §4: the well-known path comes
// after the issuer's.
func openIDPlace(issuer *url.URL) *url.URL {
	u := *issuer
	u.RawPath = ""
	u.Path = strings.TrimSuffix(u.Path, "/") + "/.well-known/openid-configuration"
	return &u
}

// oauthPlace is RFC 8414 §3.1: the well-known path comes before the issuer's.
func oauthPlace(issuer *url.URL) *url.URL {
	u := *issuer
	u.RawPath = ""
	u.Path = "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
	return &u
}

// keySetURL reads jwks_uri from metadata that names issuer as its own.
func keySetURL(body []byte, issuer string) (string, error) {
	doc, err := members(body)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNotMetadata, err)
	}
	var found, keys string
	if err := text(doc, "issuer", &found); err != nil {
		return "", err
	}
	if found != issuer {
		return "", fmt.Errorf("issuer is %q, want %q; trailing slashes count (RFC 8414 §3.3)", shorten(found), issuer)
	}
	if err := text(doc, "jwks_uri", &keys); err != nil {
		return "", err
	}
	return keys, nil
}

// text reads a member that must be there and a string that is not empty.
func text(doc map[string]json.RawMessage, name string, into *string) error {
	raw, ok := doc[name]
	if !ok {
		return fmt.Errorf("%w: it lacks %s", errNotMetadata, name)
	}
	if len(raw) < 3 || raw[0] != '"' {
		return fmt.Errorf("%w: %s is not a string, or empty", errNotMetadata, name)
	}
	return json.Unmarshal(raw, into)
}

// members splits one JSON object. encoding/json alone would match names
// without case and let the last of two win.
func members(data []byte) (map[string]json.RawMessage, error) {
	errSyntax := errors.New("not valid JSON")
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	doc := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, errSyntax
		}
		name, _ := t.(string) // the decoder gives nothing else here
		if _, twice := doc[name]; twice {
			return nil, fmt.Errorf("member %q is there twice", shorten(name))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errSyntax
		}
		doc[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errSyntax
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return doc, nil
}
