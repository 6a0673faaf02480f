package keyset_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/keyset"
)

func FuzzMetadata(f *testing.F) {
	const issuer = "https://id.example.com"
	f.Add([]byte(`{"issuer":"https://id.example.com","jwks_uri":"https://id.example.com/jwks"}`))
	f.Add([]byte(`{"issuer":"https://evil.test","issuer":"https://id.example.com","jwks_uri":"x"}`))
	f.Add([]byte(`{"ISSUER":"https://id.example.com","jwks_uri":"x"} {}`))
	f.Add([]byte(`{"issuer":"https:\/\/id.example.com","jwks_uri":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := keyset.KeySetURL(data, issuer)
		if err != nil {
			return
		}
		var doc map[string]any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatalf("accepted what is no JSON: %v", err)
		}
		if doc["issuer"] != issuer || doc["jwks_uri"] != got || got == "" {
			t.Errorf("got %q from issuer %v with jwks_uri %v", got, doc["issuer"], doc["jwks_uri"])
		}
	})
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"https://user:canary@host/?canary#canary", "http://127.0.0.1:99999/", "https://[fe80::1%25eth0]/",
		"https://0x7f000001/", "//host", "https://ho%73t/", "https://host/%2e%2e/\x00", "http://LOCALHOST./",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if u, err := url.Parse(raw); err == nil && u.User != nil && u.User.Username() != "" {
			if strings.Contains(keyset.Redact(raw), u.User.String()+"@") {
				t.Errorf("redacted: got %q, want it without %q", keyset.Redact(raw), u.User)
			}
		}
		for _, plain := range []bool{false, true} {
			u, err := keyset.ParseURL(raw, plain)
			if err != nil {
				continue
			}
			if u.User != nil || u.Hostname() == "" || u.Fragment != "" {
				t.Errorf("accepted %q", raw)
			}
			if u.Scheme != "https" && (u.Scheme != "http" || !plain) {
				t.Errorf("accepted scheme %q", u.Scheme)
			}
			if again, err := keyset.ParseURL(u.String(), plain); err != nil || again.Host != u.Host {
				t.Errorf("accepted %q, which is then read as %v, %v", raw, again, err)
			}
		}
	})
}

func FuzzPace(f *testing.F) {
	f.Add("max-age=600, no-cache", "1")
	f.Add(`private="max-age=1", max-age="99999999999999999999"`, "-1")
	f.Add("max-age==,=,", "9223372036854775808")
	f.Fuzz(func(t *testing.T, control, age string) {
		d, _ := keyset.Pace(http.Header{"Cache-Control": {control}, "Age": {age}})
		if d < 30*time.Second || d > time.Hour {
			t.Errorf("got %v, want within 30s and 1h", d)
		}
	})
}
