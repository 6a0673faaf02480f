package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
)

func TestFlagsAloneRefuse(t *testing.T) {
	t.Parallel()
	dir := material(t)
	cert := config.Flags{Cert: dir + "/fullchain.pem", Key: dir + "/privkey.pem", Upstream: "http://127.0.0.1:8000"}
	with := func(change func(*config.Flags)) config.Flags {
		f := cert
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		flags config.Flags
		want  string // the beginning of one line
	}{
		"nothing":            {config.Flags{}, "command line: nothing says where the certificate comes from"},
		"no upstream":        {config.Flags{DevCert: true}, "command line: there is nothing to protect"},
		"nobody's tokens":    {cert, "command line: issuers is empty"},
		"no certificate":     {config.Flags{Upstream: "http://127.0.0.1:8000", JWKS: "https://a/jwks", Issuer: "a", Audiences: []string{"b"}}, "command line: nothing says where"},
		"certificate alone":  {config.Flags{Cert: "x.pem", Upstream: "http://127.0.0.1:8000"}, "--cert: the certificate has no key"},
		"key alone":          {config.Flags{Key: "x.pem", Upstream: "http://127.0.0.1:8000"}, "--key: the key has no certificate"},
		"both certificates":  {with(func(f *config.Flags) { f.DevCert = true }), "--cert: a certificate file and a development certificate are both given"},
		"missing key file":   {config.Flags{Cert: dir + "/fullchain.pem", Key: dir + "/none.pem"}, "--key: file "},
		"plain upstream":     {with(func(f *config.Flags) { f.Upstream = "http://10.0.0.5:8000" }), "--upstream: url would carry tokens"},
		"upstream CA alone":  {config.Flags{DevCert: true, UpstreamCA: dir + "/ca.pem"}, "--upstream-ca: there is no upstream"},
		"upstream CA lost":   {with(func(f *config.Flags) { f.Upstream = "https://10.0.0.5"; f.UpstreamCA = dir + "/none" }), "--upstream-ca: file "},
		"bad address":        {with(func(f *config.Flags) { f.Listen = "8443" }), "--listen: \"8443\" is a port without a colon"},
		"bad mode":           {with(func(f *config.Flags) { f.Mode = "off" }), "--mode: unknown mode"},
		"bad log format":     {with(func(f *config.Flags) { f.LogFormat = "xml" }), "--log-format: format cannot be"},
		"bad store":          {with(func(f *config.Flags) { f.Store = "mysql://me:hunter2@db" }), "--store: store has the scheme"},
		"store's option":     {with(func(f *config.Flags) { f.Store = "redis://:hunter2@h?retries=1" }), "--store: store URL has an unknown option; the options are addr, ca"},
		"store's CA lost":    {with(func(f *config.Flags) { f.Store = "rediss://:hunter2@h?ca=" + dir + "/none" }), "--store: read CA of store: open "},
		"store's port":       {with(func(f *config.Flags) { f.Store = "redis://:hunter2@h:0" }), "--store: store URL is not valid; write redis://"},
		"store's Sentinel":   {with(func(f *config.Flags) { f.Store = "redis://h?sentinel_password=hunter2" }), "--store: store URL has sentinel_password but no Sentinel; write master_set=NAME too"},
		"bad host":           {with(func(f *config.Flags) { f.Hosts = []string{"*.example.com"} }), "--host: \"*.example.com\" is no host"},
		"no audience":        {with(func(f *config.Flags) { f.JWKS = "https://a/jwks"; f.Issuer = "a" }), "--jwks: without an audience"},
		"no issuer":          {with(func(f *config.Flags) { f.JWKS = "https://a/jwks"; f.Audiences = []string{"a"} }), "--jwks: without an issuer"},
		"no keys":            {with(func(f *config.Flags) { f.Issuer = "a"; f.Audiences = []string{"a"} }), "--issuer: issuers[0] has no keys"},
		"algorithm none":     {with(func(f *config.Flags) { f.Algorithms = []string{"None"} }), "--algorithm: the algorithm \"none\""},
		"plain key set":      {with(func(f *config.Flags) { f.JWKS = "http://a/jwks" }), "--jwks: keys that come over plain http"},
		"lost key set":       {with(func(f *config.Flags) { f.JWKS = dir + "/none.json" }), "--jwks: file "},
		"ambiguous public":   {with(func(f *config.Flags) { f.Public = []string{"/a/../b"} }), "--public: \"/a/../b\" could never match"},
		"same port":          {with(func(f *config.Flags) { f.Listen = ":1"; f.Plaintext = ":1" }), "--plaintext: listen and plaintext"},
		"zero config hidden": {config.Flags{Upstream: "http://127.0.0.1:8000", Hosts: []string{"api.example.com"}}, "command line: nothing says where"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load("", c.flags)
			if err == nil || !strings.Contains("\n"+err.Error(), "\n"+c.want) {
				t.Errorf("got %v, want a line that begins %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, which repeats a password", err)
			}
		})
	}
}

func TestZeroConfiguration(t *testing.T) {
	t.Parallel()
	c, err := config.Load("", config.Flags{Upstream: "http://127.0.0.1:8000"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		name      string
		got, want any
	}{
		{"is one", c.ZeroConfiguration, true},
		{"listen", c.Listen, "127.0.0.1:8443"},
		{"hosts", c.Guard.Hosts, []string{"localhost", "127.0.0.1", "[::1]"}},
		{"development CA", c.TLS.Dev != nil && c.TLS.Dev.Dir == "wiretight-data", true},
		{"issuer", c.Issuer.Enabled, true},
		{"issuer url", c.Issuer.URL, "https://localhost:8443"},
		{"issuer audience", c.Issuer.Audience, "localhost"},
		{"store", c.Store, "bolt://wiretight-data/state.db"},
		{"redirect port", c.Guard.RedirectPort, 8443},
		{"watched", len(c.Watched()), 0},
	} {
		if diff := cmp.Diff(v.want, v.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.name, diff)
		}
	}
}

func TestZeroConfigurationOnAnotherPort(t *testing.T) {
	t.Parallel()
	c, err := config.Load("", config.Flags{Upstream: "http://127.0.0.1:8000", Listen: "127.0.0.1:9443", Public: []string{"/healthz"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer.URL != "https://localhost:9443" || !c.ZeroConfiguration {
		t.Errorf("got issuer %s, zero configuration %v; want https://localhost:9443, true", c.Issuer.URL, c.ZeroConfiguration)
	}
}

func TestFlagsReplaceTheFile(t *testing.T) {
	t.Parallel()
	dir := material(t)
	c, err := config.Load("", config.Flags{
		Cert: dir + "/fullchain.pem", Key: dir + "/privkey.pem", Upstream: "https://10.0.0.5", UpstreamCA: dir + "/ca.pem",
		JWKS: dir + "/jwks.json", Issuer: "https://id.example.com/", Audiences: []string{"api"}, Algorithms: []string{"ES256"},
		Public: []string{"/healthz"}, Store: "memory:", Mode: "observe", LogFormat: "text",
		Listen: ":443", Plaintext: ":80", Admin: ":9090", Hosts: []string{"API.example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		name      string
		got, want any
	}{
		{"zero configuration", c.ZeroConfiguration, false},
		{"issuer", c.Issuer.Enabled, false},
		{"hosts", c.Guard.Hosts, []string{"api.example.com"}},
		{"admin without host", c.Admin, "127.0.0.1:9090"},
		{"redirect port", c.Guard.RedirectPort, 443},
		{"mode", c.Guard.Mode, guard.ObserveOnly},
		{"key set", len(c.Guard.Tokens.Issuers[0].JWKS) > 0, true},
		{"algorithms", c.Guard.Tokens.Issuers[0].Algorithms, []string{"ES256"}},
		{"routes", c.Guard.Routes, []guard.Route{{Path: "/healthz", Public: true}}},
		{"log", c.Log, config.Log{Format: "text", Level: "info"}},
		{"watched", len(c.Watched()), 4},
	} {
		if diff := cmp.Diff(v.want, v.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.name, diff)
		}
	}
}

func TestFlagsOverrideTheFile(t *testing.T) {
	t.Parallel()
	dir := material(t)
	c := good(t, "everything.yaml", config.Flags{
		DevCert: true, Upstream: "https://10.0.0.6", JWKS: dir + "/jwks.json",
		Audiences: []string{"other"}, Public: []string{"/pay/status"},
		Algorithms: []string{"ES256"}, Hosts: []string{"api.example.com"}, Listen: ":9443", Store: "memory:",
	})
	is := c.Guard.Tokens.Issuers[0]
	for _, v := range []struct {
		name      string
		got, want any
	}{
		{"certificates", len(c.TLS.Certificates), 0},
		{"development CA", c.TLS.Dev != nil, true},
		{"key set URL", is.JWKSURL, ""},
		{"key set", len(is.JWKS) > 0, true},
		{"issuer stays", is.Issuer, "https://id.example.com/"},
		{"audiences", is.Audiences, []string{"other"}},
		{"upstream's name stays", c.Guard.Upstreams[0].Name, "app"},
		{"route added", c.Guard.Routes[3], guard.Route{Path: "/pay/status", Public: true}},
		{"redirect port stays", c.Guard.RedirectPort, 443},
		{"store", c.Store, "memory:"},
	} {
		if diff := cmp.Diff(v.want, v.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.name, diff)
		}
	}
}

func TestPublicFlagOpensNoScopedRoute(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("w.yaml", read(t, "testdata/good/everything.yaml"), material(t), config.Flags{Public: []string{"/admin/*"}})
	if err == nil || !strings.HasPrefix(err.Error(), "--public: ") {
		t.Errorf("got %v, want the flag refused: the route has scopes", err)
	}
}
