package issuer_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/wiretight/wiretight/issuer"
)

// FuzzForm: what is read is what another reader would read, and only text.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"", "a=b", "a=b&a=c", "a=b;c=d", "%ff=1", "a=%00", "=&=", "a", "%61=1&a=2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, err := issuer.ParseForm(body)
		if err != nil {
			return
		}
		other, err := url.ParseQuery(string(body))
		if err != nil {
			t.Fatalf("%q was read, but is no form: %v", body, err)
		}
		for name, values := range other {
			if len(values) != 1 || fields[name] != values[0] || !utf8.ValidString(values[0]) {
				t.Errorf("%q: %q has the values %q, and %q was read", body, name, values, fields[name])
			}
		}
	})
}

// FuzzObject: what is read is what encoding/json reads.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{"{}", `{"a":"b"}`, `{"a":"b","a":"c"}`, `{"a":1}`, `[]`, `{"a":"b"}{}`, `{"a":{"a":"b"}}`, `{"\u0061":"b","a":"c"}`, "{\"a\":\"\xff\"}", `{"a":"b",}`, `{"A":"x"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, err := issuer.ParseObject(body)
		if err != nil {
			return
		}
		var other map[string]any
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("%q was read, but is no object: %v", body, err)
		}
		for name, v := range other {
			if s, ok := v.(string); ok && s != fields[name] {
				t.Errorf("%q: %q is %q, and %q was read", body, name, s, fields[name])
			}
		}
		for name := range fields {
			if _, ok := other[name].(string); !ok {
				t.Errorf("%q: %q was read and is not there", body, name)
			}
		}
	})
}

func FuzzBasic(f *testing.F) {
	for _, seed := range []string{"", "Og==", "YTpi", "YTpi\n", "YQ==", "JTNhOmI="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, ok := issuer.DecodeBasic(text)
		if !ok && (id != "" || secret != "") {
			t.Errorf("%q: refused, and gives %q and %q", text, id, secret)
		}
	})
}

func FuzzPasswordHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		salt, sum, err := issuer.DecodeHash(text)
		if err == nil && (len(salt) != 16 || len(sum) != 32) {
			t.Errorf("%q: got a salt of %d and a hash of %d bytes", text, len(salt), len(sum))
		}
	})
}
