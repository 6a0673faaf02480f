package lab_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/attack"
	"github.com/wiretight/wiretight/internal/lab"
)

const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a lab behind a TLS server and a plain one.
type bed struct {
	t          testing.TB
	lab        *lab.Lab
	tls, plain *httptest.Server
}

func newBed(t testing.TB, flaws lab.Flaws) *bed {
	t.Helper()
	l := lab.New(lab.Options{Flaws: flaws})
	b := &bed{t: t, lab: l, tls: httptest.NewUnstartedServer(l), plain: httptest.NewUnstartedServer(l)}
	for _, s := range []*httptest.Server{b.tls, b.plain} {
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.Config.DisableGeneralOptionsHandler = true
	}
	b.tls.StartTLS()
	b.plain.Start()
	t.Cleanup(b.tls.Close)
	t.Cleanup(b.plain.Close)
	return b
}

type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends over TLS; header is name, value, name, value.
func (b *bed) ask(method, path, body string, header ...string) reply {
	b.t.Helper()
	return b.send(b.tls, method, path, body, header...)
}

// inClear sends over plain HTTP.
func (b *bed) inClear(method, path, body string, header ...string) reply {
	b.t.Helper()
	return b.send(b.plain, method, path, body, header...)
}

func (b *bed) send(s *httptest.Server, method, path, body string, header ...string) reply {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.URL, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.URL.Opaque = path
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	res, err := s.Client().Transport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(data)}
}

// bearer is a genuine token in its header.
func (b *bed) bearer() string { return "Bearer " + b.mint() }

func (b *bed) mint() string {
	b.t.Helper()
	raw, err := b.lab.Mint(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}

// tokens is the answer of the login.
type tokens struct {
	Access   string `json:"access_token"`
	Refresh  string `json:"refresh_token"`
	Identity string `json:"id_token"`
}

func (b *bed) login() tokens {
	b.t.Helper()
	r := b.ask("POST", "/login", `{"username": "alice", "password": "wonderland-7"}`, "Content-Type", "application/json")
	if r.status != 200 {
		b.t.Fatalf("log in: got %d %s", r.status, r.body)
	}
	return decodeTokens(b.t, r.body)
}

func decodeTokens(t testing.TB, body string) (all tokens) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (b *bed) refresh(token string) reply {
	b.t.Helper()
	return b.ask("POST", "/refresh", `{"refresh_token": "`+token+`"}`)
}

// claims reads the payload of a token.
func claims(t testing.TB, raw string) (c map[string]any) {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// material is what an attacker has who has stolen everything.
func material(t testing.TB, l *lab.Lab, callback string) attack.Material {
	t.Helper()
	raw, err := l.Mint(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := func(header, claims string) (string, error) {
		s := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		digest := sha256.Sum256([]byte(s))
		r, v, err := ecdsa.Sign(rand.Reader, l.Key(), digest[:])
		if err != nil {
			return "", err
		}
		var sig [64]byte
		r.FillBytes(sig[:32])
		v.FillBytes(sig[32:])
		return s + "." + base64.RawURLEncoding.EncodeToString(sig[:]), nil
	}
	return attack.Material{
		Token: raw, PublicKey: l.Key().Public(), JWKS: l.JWKS(), CallbackURL: callback, Now: time.Now(), SignText: text,
		Sign: func(header, claims map[string]any) (string, error) {
			h, err := json.Marshal(header)
			if err != nil {
				return "", err
			}
			c, err := json.Marshal(claims)
			if err != nil {
				return "", err
			}
			return text(string(h), string(c))
		},
	}
}

// take puts a token before the lab without a server: some have bytes that no
// client would send.
func take(l *lab.Lab, raw string) int {
	r := httptest.NewRequest("GET", "https://localhost/profile", nil)
	r.Header["Authorization"] = []string{"Bearer " + raw}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w.Code
}

// callback serves the attacker's keys.
func callback(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, attack.CallbackSetPath):
			_, _ = w.Write(attack.CallbackJWKS("ES256"))
		case strings.HasSuffix(r.URL.Path, attack.CallbackKeyPath):
			_, _ = w.Write(attack.CallbackJWK("ES256"))
		case strings.HasSuffix(r.URL.Path, attack.CallbackCertPath):
			_, _ = w.Write(attack.CallbackCert("ES256"))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}
