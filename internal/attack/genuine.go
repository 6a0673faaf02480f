package attack

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// object is a JSON object. In changes to one, a nil removes the member; null
// is written as such.
type object = map[string]any

var null = json.RawMessage("null")

// genuine is a Material whose token was taken apart.
type genuine struct {
	Material
	header, claims object
	// The three segments of the token as they stand.
	headerText, payloadText, signatureText string
	signature                              []byte
	alg                                    string
}

func read(m Material) (*genuine, error) {
	parts := strings.Split(m.Token, ".")
	if len(parts) != 3 {
		return nil, errors.New("the token does not consist of three parts")
	}
	g := &genuine{Material: m, headerText: parts[0], payloadText: parts[1], signatureText: parts[2]}
	var err error
	if g.header, err = decode(parts[0]); err != nil {
		return nil, fmt.Errorf("read the token's header: %w", err)
	}
	if g.claims, err = decode(parts[1]); err != nil {
		return nil, fmt.Errorf("read the token's payload: %w", err)
	}
	if g.signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return nil, fmt.Errorf("read the token's signature: %w", err)
	}
	g.alg, _ = g.header["alg"].(string)
	return g, nil
}

func decode(part string) (object, error) {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("it is null")
	}
	return o, nil
}

func with(o object, changes object) object {
	o = maps.Clone(o)
	for name, value := range changes {
		if value == nil {
			delete(o, name)
		} else {
			o[name] = value
		}
	}
	return o
}

// altered returns the claims with one more, which changes nothing for the
// application but the bytes. Privileges are never touched.
func (g *genuine) altered() object {
	return with(g.claims, object{"wt_nonce": encode(random(12))})
}

// segment encodes a header or payload.
func segment(o object) string { return encode(compactJSON(o)) }

func compactJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Only our own values and what json itself has decoded get here.
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: see crypto/rand
	return b
}

// family is the first two letters of the genuine token's algorithm.
func (g *genuine) family() string {
	if len(g.alg) < 2 {
		return ""
	}
	return g.alg[:2]
}
