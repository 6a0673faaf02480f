package keyset

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/wiretight/wiretight/internal/token"
)

// maxKeys bounds what one answer may cost to parse.
const maxKeys = 1000

// answer is a good key set as its issuer gave it. It is immutable.
type answer struct {
	set      *token.KeySet
	keys     int
	digest   [sha256.Size]byte // of the usable keys, whatever their order
	warnings []string          // one for each key that was skipped

	url  string // where it came from, after redirects
	etag string
	pace time.Duration
}

// renewed is the answer after a 304, which may bring a new pace (RFC 9111
// §4.3.4).
func (a *answer) renewed(h http.Header) *answer {
	b := *a
	if d, ok := pace(h); ok {
		b.pace = d
	}
	return &b
}

// parseAnswer reads a key set that has at least one usable key.
func parseAnswer(body []byte) (*answer, error) {
	doc, err := members(body)
	if err != nil {
		return nil, err
	}
	var raws []json.RawMessage
	list, ok := doc["keys"]
	if !ok || json.Unmarshal(list, &raws) != nil || raws == nil {
		return nil, errors.New("no list called keys; this is not a key set (RFC 7517 §5)")
	}
	if len(raws) > maxKeys {
		return nil, fmt.Errorf("%d keys, at most %d are read", len(raws), maxKeys)
	}
	set, warnings, err := token.ParseJWKS(body)
	if err != nil {
		return nil, err
	}
	a := &answer{set: set, warnings: warnings}
	a.digest, a.keys, err = digest(raws)
	if err != nil {
		return nil, err
	}
	if a.keys == 0 {
		return nil, errors.New("no usable key")
	}
	return a, nil
}

// digest tells usable sets apart. Keys that alone are unusable do not count,
// nor does the order of keys with different kids; the whole of each usable key
// does, so that whatever a verifier may look at is in it.
func digest(raws []json.RawMessage) (sum [sha256.Size]byte, usable int, err error) {
	type key struct {
		kid string
		all []byte
	}
	var keys []key
	for _, raw := range raws {
		alone := slices.Concat([]byte(`{"keys":[`), raw, []byte(`]}`))
		if _, _, err := token.ParseJWKS(alone); err != nil {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var k map[string]any
		if err := dec.Decode(&k); err != nil {
			return sum, 0, fmt.Errorf("read key: %w", err)
		}
		kid, _ := k["kid"].(string) // without one, the empty string orders as well
		all, err := json.Marshal(k) // sorts the members
		if err != nil {
			return sum, 0, fmt.Errorf("read key: %w", err)
		}
		keys = append(keys, key{kid, all})
	}
	slices.SortStableFunc(keys, func(a, b key) int { return bytes.Compare([]byte(a.kid), []byte(b.kid)) })
	h := sha256.New()
	for _, k := range keys {
		h.Write(k.all)
		h.Write([]byte{'\n'}) // Marshal leaves none inside
	}
	return [sha256.Size]byte(h.Sum(nil)), len(keys), nil
}

// members splits one JSON object. encoding/json alone would match names
// without case and let the last of two win.
func members(data []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	doc := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		name, _ := t.(string) // inside an object the decoder gives nothing else here
		if _, twice := doc[name]; twice {
			return nil, fmt.Errorf("member %q is there twice", shorten(name))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("not valid JSON")
		}
		doc[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("not valid JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return doc, nil
}
