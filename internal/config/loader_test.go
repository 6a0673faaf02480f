package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wiretight/wiretight/internal/config"
)

// loaders are all keys that name a file, each in a configuration that is good
// but for that file.
var loaders = []struct {
	key, text string
	anyBytes  bool // every content is a good one
	mayBeNew  bool // made at the first start
}{
	{key: "CertificateFile.cert", text: `tls: {certificates: [{cert: "%s", key: privkey.pem}]}`},
	{key: "CertificateFile.key", text: `tls: {certificates: [{cert: fullchain.pem, key: "%s"}]}`},
	{key: "TLSFile.client_ca", text: `tls: {dev: true, client_ca: "%s"}`},
	{key: "UpstreamFile.ca", text: "tls: {dev: true}\nupstreams: [{name: a, url: \"https://10.0.0.5\", ca: \"%s\"}]"},
	{key: "UpstreamFile.cert", text: "tls: {dev: true}\nupstreams: [{name: a, url: \"https://10.0.0.5\", cert: \"%s\", key: k.pem}]"},
	{key: "UpstreamFile.key", text: "tls: {dev: true}\nupstreams: [{name: a, url: \"https://10.0.0.5\", cert: c.pem, key: \"%s\"}]"},
	{key: "TokenIssuerFile.jwks_file", text: "tls: {dev: true}\ntokens: {issuers: [{issuer: a, audiences: [b], jwks_file: \"%s\"}]}"},
	{key: "TokenIssuerFile.jwks_ca", text: "tls: {dev: true}\ntokens: {issuers: [{issuer: a, audiences: [b], jwks_url: \"https://a/jwks\", jwks_ca: \"%s\"}]}"},
	{key: "TokenIssuerFile.secret_file", text: "tls: {dev: true}\ntokens: {issuers: [{issuer: a, audiences: [b], secret_file: \"%s\"}]}", anyBytes: true},
	{key: "ClientFile.secret_file", text: "tls: {dev: true}\nissuer: {enabled: true, clients: [{id: a, secret_file: \"%s\"}]}", anyBytes: true},
	{key: "IssuerFile.key_encryption_file", text: "tls: {dev: true}\nissuer: {enabled: true, key_encryption_file: \"%s\"}", anyBytes: true, mayBeNew: true},
}

// TestLoadersRefuse holds every loader to one rule: what cannot be read whole
// and understood is a mistake at its key, never a default.
func TestLoadersRefuse(t *testing.T) {
	t.Parallel()
	dir := material(t)
	write := func(name string, data []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	broken := map[string]string{
		"missing":   "missing",
		"directory": "directory",
		"empty":     write("empty", nil),
		"blank":     write("blank", []byte(" \n\n")),
		"huge":      write("huge", bytes.Repeat([]byte("x"), 1<<20+1)),
		"pipe":      "pipe",
		"dangling":  "dangling",
		"garbage":   write("garbage", []byte("this is no PEM, no JSON and no key of any kind whatever")),
		"half PEM":  write("half", []byte("-----BEGIN CERTIFICATE-----\nMIIB\n")),
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	for _, l := range loaders {
		for state, file := range broken {
			if l.anyBytes && (state == "garbage" || state == "half PEM") || l.mayBeNew && (state == "missing" || state == "dangling") {
				continue
			}
			text := fmt.Sprintf(l.text, file) + "\nroutes: [{path: /*, public: true}]\n"
			if !strings.Contains(text, "upstreams:") {
				text += "upstreams: [{name: app, url: \"http://127.0.0.1:8000\"}]\n"
			}
			if strings.Contains(text, "tokens:") || strings.Contains(text, "issuer:") {
				text = strings.Replace(text, "routes: [{path: /*, public: true}]\n", "", 1)
			}
			_, err := config.Parse("w.yaml", []byte(text), dir, config.Flags{})
			if err == nil {
				t.Errorf("%s, %s: got no error, want the start refused", l.key, state)
				continue
			}
			_, key, _ := strings.Cut(l.key, ".")
			ps, ok := err.(config.Problems)
			if !ok || len(ps) != 1 || !strings.HasSuffix(ps[0].Path, "."+key) {
				t.Errorf("%s, %s: got %v, want one mistake at the key", l.key, state, err)
			}
		}
	}
}

// TestEveryLoaderIsListed finds the keys that name files by their names, so
// that a new one cannot be left out above.
func TestEveryLoaderIsListed(t *testing.T) {
	t.Parallel()
	var found []string
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := f.Tag.Get("yaml")
			isFile := strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_ca") || slices.Contains([]string{"ca", "cert", "key"}, key)
			if isFile && f.Type.Kind() == reflect.String {
				found = append(found, typ.Name()+"."+key)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[config.File]())
	if len(found) < 8 {
		t.Fatalf("got keys %v, want all that name files", found)
	}
	for _, key := range found {
		listed := false
		for _, l := range loaders {
			listed = listed || l.key == key
		}
		if !listed {
			t.Errorf("%s names a file, but no broken one was tried", key)
		}
	}
}

func TestGoodLoadersAccept(t *testing.T) {
	t.Parallel()
	dir := material(t)
	goodFor := map[string]string{
		"cert": "fullchain.pem", "key": "privkey.pem", "client_ca": "clients.pem", "ca": "ca.pem", "jwks_file": "jwks.json",
		"jwks_ca": "ca.pem", "secret_file": "hmac.secret", "key_encryption_file": "hmac.secret",
	}
	for _, l := range loaders {
		section, key, _ := strings.Cut(l.key, ".")
		file := goodFor[key]
		if section == "UpstreamFile" && key != "ca" {
			file = map[string]string{"cert": "c.pem", "key": "k.pem"}[key]
		}
		text := fmt.Sprintf(l.text, file)
		if !strings.Contains(text, "upstreams:") {
			text += "\nupstreams: [{name: app, url: \"http://127.0.0.1:8000\"}]"
		}
		if !strings.Contains(text, "issuer") {
			text += "\nroutes: [{path: /*, public: true}]"
		}
		if _, err := config.Parse("w.yaml", []byte(text), dir, config.Flags{}); err != nil {
			t.Errorf("%s: got %v, want it loaded", l.key, err)
		}
	}
}

func TestSecretReadableByAllWarns(t *testing.T) {
	t.Parallel()
	dir := material(t)
	if err := os.Chmod(filepath.Join(dir, "hmac.secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("secret.yaml", read(t, "testdata/good/secret.yaml"), dir, config.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "every user") {
		t.Errorf("got warnings %q, want one about the file's mode", c.Warnings)
	}
}

// TestSecretsAreExact holds the bytes of a secret to what the file says.
func TestSecretsAreExact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := strings.Repeat("0123456789abcdef-", 3)
	for name, c := range map[string]struct{ file, want string }{
		"as it is":          {long, long},
		"one newline":       {long + "\n", long},
		"two newlines":      {long + "\n\n", long + "\n"},
		"carriage return":   {long + "\r\n", long},
		"spaces stay":       {" " + long + " \n", " " + long + " "},
		"base64":            {"base64:MDEyMzQ1Njc4OWFiY2RlZi0wMTIzNDU2Nzg5YWJjZGVm\n", "0123456789abcdef-0123456789abcdef"},
		"base64url":         {"base64:MDEyMzQ1Njc4OWFiY2RlZi0wMTIzNDU2Nzg5YWJj__8\n", "0123456789abcdef-0123456789abc\xff\xff"},
		"base64 in lines":   {"base64:MDEyMzQ1Njc4OWFi\nY2RlZi0wMTIzNDU2Nzg5YWJjZGVm\n", ""},
		"base64 of nothing": {"base64:\n", ""},
		"base64 dirty bits": {"base64:MDEyMzQ1Njc4OWFiY2RlZi0wMTIzNDU2Nzg5YWJjZGVmMz\n", ""},
	} {
		file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		text := "tls: {dev: true}\nupstreams: [{name: a, url: \"http://127.0.0.1:1\"}]\ntokens: {issuers: [{issuer: a, audiences: [b], secret_file: \"" + file + "\"}]}\n"
		got, err := config.Parse("w.yaml", []byte(text), dir, config.Flags{})
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%s: got secret %q, want an error", name, got.Guard.Tokens.Issuers[0].Secret)
		case c.want != "" && err != nil:
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		case c.want != "" && string(got.Guard.Tokens.Issuers[0].Secret) != c.want:
			t.Errorf("%s: got %q, want %q", name, got.Guard.Tokens.Issuers[0].Secret, c.want)
		}
	}
}
