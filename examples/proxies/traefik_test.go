package proxies_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/wiretight/wiretight/guard"
)

// traefikStatic and traefikDynamic are what the example uses of Traefik's
// configuration. Its own types cannot be had: a module below them is not served.
type traefikStatic struct {
	EntryPoints map[string]struct {
		Address          string
		ForwardedHeaders struct {
			Insecure   bool
			TrustedIPs []string `yaml:"trustedIPs"`
		} `yaml:"forwardedHeaders"`
		HTTP struct {
			SanitizePath *bool `yaml:"sanitizePath"`
		} `yaml:"http"`
		Transport struct {
			RespondingTimeouts struct {
				ReadTimeout string `yaml:"readTimeout"`
				IdleTimeout string `yaml:"idleTimeout"`
			} `yaml:"respondingTimeouts"`
		}
	} `yaml:"entryPoints"`
	Providers struct {
		File struct {
			Filename string
			Watch    bool
		}
	}
	API struct{ Dashboard, Insecure bool } `yaml:"api"`
}

type traefikDynamic struct {
	HTTP struct {
		Routers map[string]struct {
			EntryPoints []string `yaml:"entryPoints"`
			Rule        string
			Middlewares []string
			Service     string
			TLS         *struct{ Options string } `yaml:"tls"`
		}
		Middlewares map[string]struct {
			Headers *struct {
				CustomRequestHeaders          map[string]string `yaml:"customRequestHeaders"`
				CustomResponseHeaders         map[string]string `yaml:"customResponseHeaders"`
				AccessControlAllowOriginList  []string          `yaml:"accessControlAllowOriginList"`
				AccessControlAllowCredentials bool              `yaml:"accessControlAllowCredentials"`
				AccessControlAllowMethods     []string          `yaml:"accessControlAllowMethods"`
				AccessControlAllowHeaders     []string          `yaml:"accessControlAllowHeaders"`
				AccessControlMaxAge           int               `yaml:"accessControlMaxAge"`
				AddVaryHeader                 bool              `yaml:"addVaryHeader"`
			}
			ForwardAuth *struct {
				Address             string
				TrustForwardHeader  bool     `yaml:"trustForwardHeader"`
				AuthResponseHeaders []string `yaml:"authResponseHeaders"`
				Strips              string   `yaml:"authResponseHeadersRegex"`
				ForwardBody         bool     `yaml:"forwardBody"`
			} `yaml:"forwardAuth"`
		}
		Services map[string]struct {
			LoadBalancer struct {
				Servers []struct{ URL string }
			} `yaml:"loadBalancer"`
		}
	} `yaml:"http"`
	TLS struct {
		Certificates []struct {
			CertFile string `yaml:"certFile"`
			KeyFile  string `yaml:"keyFile"`
		}
		Options map[string]struct {
			MinVersion string `yaml:"minVersion"`
			SNIStrict  bool   `yaml:"sniStrict"`
		}
	} `yaml:"tls"`
}

func readTraefik[T any](t *testing.T, name string) (out T) {
	t.Helper()
	text, err := os.ReadFile("../traefik/" + name)
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// TestTraefikFiles holds what a line less would cost.
func TestTraefikFiles(t *testing.T) {
	t.Parallel()
	static := readTraefik[traefikStatic](t, "traefik.yaml")
	for name, e := range static.EntryPoints {
		if e.ForwardedHeaders.Insecure || len(e.ForwardedHeaders.TrustedIPs) > 0 || e.HTTP.SanitizePath == nil || *e.HTTP.SanitizePath {
			t.Errorf("entry point %s: got %+v, want nobody believed and paths as they came", name, e)
		}
	}
	dynamic := readTraefik[traefikDynamic](t, "dynamic.yaml")
	reached := map[string]bool{}
	for name, r := range dynamic.HTTP.Routers {
		if !slices.Equal(r.Middlewares, []string{"clean", "cors", "wiretight", "answers"}) {
			t.Errorf("router %s: got %v, want all that asks and cleans", name, r.Middlewares)
		}
		if secure := r.TLS != nil; secure != slices.Contains(r.EntryPoints, "websecure") {
			t.Errorf("router %s: got TLS %v at %v", name, r.TLS, r.EntryPoints)
		}
		for _, e := range r.EntryPoints {
			if _, ok := static.EntryPoints[e]; !ok {
				t.Errorf("router %s: there is no entry point %s", name, e)
			}
			reached[e] = true
		}
	}
	if len(reached) != 2 {
		t.Errorf("got routers at %v, want at both", reached)
	}
	auth := dynamic.HTTP.Middlewares["wiretight"].ForwardAuth
	if auth == nil || auth.TrustForwardHeader || auth.ForwardBody {
		t.Fatalf("got %+v, want one that believes nobody", auth)
	}
	if auth.Strips != "[_.]" {
		t.Errorf("got authResponseHeadersRegex %q, want all other spellings of a name removed", auth.Strips)
	}
	for _, name := range guard.IdentityHeaders() {
		if !slices.ContainsFunc(auth.AuthResponseHeaders, func(h string) bool { return strings.EqualFold(h, name) }) {
			t.Errorf("authResponseHeaders lacks %s: the client's own would reach the application", name)
		}
	}
	if o := dynamic.TLS.Options["strict"]; o.MinVersion != "VersionTLS12" || !o.SNIStrict {
		t.Errorf("got %+v, want TLS 1.2 and known names", o)
	}
}

// TestTraefikAsks asks as ForwardAuth of that configuration does: the client's
// headers, and five of Traefik's own in the place of the client's.
func TestTraefikAsks(t *testing.T) {
	t.Parallel()
	b := newBed(t, "traefik", []string{"traefik.yaml", "dynamic.yaml"})
	good := b.mint(nil)
	h := b.newHolder()
	for _, c := range []struct {
		name, method, target string
		header               []string
		want                 int
	}{
		{"good token", "GET", "/items?x=1", append(bearer(good), "X-Auth-Subject", "root"), 200},
		{"no token", "GET", "/items", nil, 401},
		{"scope", "GET", "/admin/users", bearer(good), 403},
		{"method", "DELETE", "/admin/users", bearer(b.mint(map[string]any{"scope": "admin"})), 405},
		{"encoded slash", "GET", "/public/..%2fadmin", nil, 400},
		{"dot segments", "GET", "/public/../admin", bearer(good), 400},
		{"DPoP", "GET", "/items", h.headers("GET", "https://"+host+"/items"), 200},
		{"DPoP for another path", "GET", "/items", h.headers("GET", "https://"+host+"/other"), 401},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.ip+":9181/authorize", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(c.header); i += 2 {
			r.Header.Add(c.header[i], c.header[i+1])
		}
		for name, value := range map[string]string{"Method": c.method, "Proto": "https", "Host": host, "Uri": c.target, "For": stranger()} {
			r.Header.Set("X-Forwarded-"+name, value)
		}
		client := http.Client{Timeout: patience}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body) // the status is what counts
		_ = res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: got %d, want %d", c.name, res.StatusCode, c.want)
		}
		if c.name == "good token" && (res.Header.Get("X-Auth-Subject") != "alice" || res.Header.Get("Authorization") != "") {
			t.Errorf("got %v, want alice and no token", res.Header)
		}
	}
	if found, err := os.ReadFile(b.path("dynamic.yaml")); err != nil || !strings.Contains(string(found), b.ip+":9181/authorize") {
		t.Errorf("dynamic.yaml asks elsewhere than the guard listens: %v", err)
	}
}
