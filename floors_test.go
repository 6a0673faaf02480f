// Package wiretight_test holds the rules of the house that no compiler checks.
package wiretight_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/wiretight/wiretight/"

// floors says what each room may import of this module. A room that is not
// listed may not exist. docs/request-cycle.md shows the same picture.
var floors = map[string][]string{
	"internal/redact":          {},
	"internal/montgomery":      {},
	"internal/token":           {"internal/redact", "internal/montgomery"},
	"internal/attack":          {"internal/redact", "internal/token"},
	"internal/catalog":         {"internal/redact"},
	"internal/tlsprobe":        {"internal/redact"},
	"internal/store":           {"internal/redact"},
	"internal/store/storetest": {"internal/store"},
	"internal/keyset":          {"internal/redact", "internal/token"},
	"internal/revocation":      {"internal/store"},
	"internal/front":           {},
	"internal/front2":          {},
	"internal/serve":           {"internal/redact", "internal/front", "internal/front2"},
	"internal/origin":          {},
	"guard":                    {"internal/redact", "internal/token", "internal/keyset", "internal/store", "internal/revocation", "internal/origin"},
	"issuer":                   {"internal/redact", "internal/token", "internal/keyset", "internal/store", "internal/revocation"},
	"scan":                     {"internal/redact", "internal/token", "internal/attack", "internal/catalog", "internal/tlsprobe"},
	"scan/checks":              {"scan", "internal/redact", "internal/token", "internal/attack", "internal/catalog", "internal/tlsprobe"},
	"scan/report":              {"scan", "internal/redact", "internal/catalog"},
	"internal/lab":             {"internal/redact", "internal/token"},
	"internal/extauthz":        {"guard"},
	"internal/admin":           {"guard", "internal/redact", "internal/serve"},
	"internal/config":          {"guard", "internal/redact", "internal/token", "internal/keyset", "internal/serve", "internal/store"},
	"cmd/wiretight":            {"*"},
	"internal/testpki":         {},
	"internal/testproc":        {},
	"internal/cluster":         {"internal/testpki", "internal/port"},
	"internal/port":            {},
	"bench":                    {},
	"bench/soak":               {"internal/cluster"},
	"bench/scale":              {"internal/cluster", "internal/store", "internal/revocation"},
	"bench/bare":               {},
}

// computing rooms know neither the network, nor the disk, nor the time.
var computing = map[string][]string{
	"internal/redact":     {"net", "net/http", "os", "time"},
	"internal/montgomery": {"net", "net/http", "os", "time"},
	"internal/token":      {"net", "net/http", "os"},
	"internal/attack":     {"net", "net/http", "os"},
	"internal/catalog":    {"net", "net/http", "os", "time"},
}

// forbidden modules, anywhere outside tests.
var forbidden = []string{"github.com/golang-jwt/jwt", "github.com/c2sp/wycheproof", "github.com/chromedp", "github.com/letsencrypt/pebble", "html/template", "math/rand"}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		all = append(all, p)
	}
}

func TestImportsOnlyGoDown(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(room, "examples/") || p.ImportPath+"/" == module {
			continue
		}
		allowed, ok := floors[room]
		if !ok {
			t.Errorf("room %s has no floor: add it to floors", room)
			continue
		}
		for _, imp := range p.Imports {
			below, own := strings.CutPrefix(imp, module)
			if own && !contains(allowed, "*") && !contains(allowed, below) {
				t.Errorf("%s imports %s, which is not below it", room, below)
			}
			for _, f := range forbidden {
				if imp == f || strings.HasPrefix(imp, f+"/") {
					t.Errorf("%s imports %s, which only tests may", room, imp)
				}
			}
			if contains(computing[room], imp) && !(room == "internal/redact" && imp == "time") {
				t.Errorf("%s computes and must not import %s", room, imp)
			}
		}
	}
}

// TestProductsStayApart holds guard, issuer and scan to not knowing each other,
// and the program to not knowing what only tests and measurements need.
func TestProductsStayApart(t *testing.T) {
	t.Parallel()
	apart := map[string][]string{"guard": {"issuer", "scan"}, "scan": {"guard", "issuer"}, "scan/checks": {"guard", "issuer"}, "scan/report": {"guard", "issuer"}, "issuer": {"guard", "scan"}, "cmd/wiretight": {"internal/testpki", "internal/testproc", "internal/cluster", "internal/store/storetest"}}
	for _, p := range packages(t) {
		for _, other := range apart[strings.TrimPrefix(p.ImportPath, module)] {
			if contains(p.Deps, module+other) {
				t.Errorf("%s depends on %s", p.ImportPath, other)
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
