package lab

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// laxToken is a token as a forgiving parser reads it.
type laxToken struct {
	header, claims map[string]any
	text           string // what the signature covers
	signature      []byte
	repaired       bool // it was not as it should be
}

// maxToken bounds what is looked at.
const maxToken = 64 << 10

// laxParse reads a token and repairs what it can.
func laxParse(raw string) (*laxToken, error) {
	if len(raw) > maxToken {
		return nil, errors.New("it is too long")
	}
	text := strings.ReplaceAll(raw, "%2E", ".")
	text, _, _ = strings.Cut(text, ",")
	text = strings.Trim(strings.Join(strings.Fields(text), ""), "\".\x00=")
	if strings.Count(text, ".") == 1 { // the trim took an empty signature
		text += "."
	}
	parts := strings.Split(text, ".")
	if len(parts) < 3 {
		return nil, errors.New("it has not three parts")
	}
	t := &laxToken{repaired: text != raw && text != raw+"." || len(parts) != 3}
	var decoded [3][]byte
	for i, part := range parts[:3] {
		part = strings.NewReplacer("+", "-", "/", "_").Replace(part)
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return nil, errors.New("it is not base64url")
		}
		if canonical := base64.RawURLEncoding.EncodeToString(b); canonical != parts[i] {
			t.repaired, parts[i] = true, canonical
		}
		decoded[i] = b
	}
	t.text, t.signature = parts[0]+"."+parts[1], decoded[2]
	var strictHeader, strictClaims bool
	t.header, strictHeader = object(decoded[0])
	t.claims, strictClaims = object(decoded[1])
	if t.header == nil || t.claims == nil {
		return nil, errors.New("its header or payload is no JSON object")
	}
	for _, name := range []string{"crit", "b64", "zip", "p2c", "p2s"} {
		if _, there := t.header[name]; there {
			t.repaired = true
		}
	}
	t.repaired = t.repaired || !strictHeader || !strictClaims
	return t, nil
}

// object reads the JSON object at the beginning of data. strict is false where
// a careful reader would have refused.
func object(data []byte) (o map[string]any, strict bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&o); err != nil {
		return nil, false
	}
	rest := data[d.InputOffset():]
	return o, len(rest) == 0 && utf8.Valid(data) && !doubled(data)
}

// doubled reports whether any object in data has a member twice.
func doubled(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	var names []map[string]bool // of the open objects; nil for arrays
	expectName := false
	for {
		t, err := d.Token()
		if err != nil {
			return false
		}
		switch v := t.(type) {
		case json.Delim:
			switch v {
			case '{':
				names, expectName = append(names, map[string]bool{}), true
				continue
			case '[':
				names = append(names, nil)
			default:
				names = names[:len(names)-1]
			}
		case string:
			if expectName && names[len(names)-1] != nil {
				if names[len(names)-1][v] {
					return true
				}
				names[len(names)-1][v] = true
				expectName = false
				continue
			}
		}
		expectName = len(names) > 0 && names[len(names)-1] != nil
	}
}

// number is a claim that is one.
func (t *laxToken) number(name string) (float64, bool) {
	n, ok := t.claims[name].(float64)
	return n, ok && n >= 0 && n < 1e15
}

// typ is the type, in lower case and without its beginning.
func (t *laxToken) typ() string {
	switch v := t.header["typ"].(type) {
	case nil:
		return "jwt"
	case string:
		return strings.TrimPrefix(strings.ToLower(v), "application/")
	}
	return ""
}

// algorithm is alg as a forgiving reader takes it: absent, null and empty are
// none, and of an array the first.
func (t *laxToken) algorithm() string {
	switch v := t.header["alg"].(type) {
	case nil:
		return "none"
	case string:
		if v == "" || strings.EqualFold(v, "none") {
			return "none"
		}
		return v
	case []any:
		if len(v) > 0 && v[0] == "none" {
			return "none"
		}
	}
	return "unknown"
}
