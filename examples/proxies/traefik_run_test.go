//go:build traefik

package proxies_test

import (
	"os"
	"strings"
	"testing"
)

// TestTraefik tries a real Traefik, where there is one: Debian has none.
//
//	WIRETIGHT_TRAEFIK=/path/to/traefik go test -tags traefik -run 'TestTraefik$' ./examples/proxies
func TestTraefik(t *testing.T) {
	t.Parallel()
	program := os.Getenv("WIRETIGHT_TRAEFIK")
	if program == "" {
		t.Fatal("say in WIRETIGHT_TRAEFIK where the program is")
	}
	b := newBed(t, "traefik", []string{"traefik.yaml", "dynamic.yaml"})
	static, err := os.ReadFile(b.path("traefik.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b.write("traefik.yaml", []byte(strings.NewReplacer(
		`":80"`, `"`+b.ip+`:8080"`, `":443"`, `"`+b.ip+`:8443"`, "/etc/traefik/dynamic.yaml", b.path("dynamic.yaml"),
	).Replace(string(static))))
	b.try(t, proxy{ownPaths: true, preflights: 200, realIP: true}, program, "--configFile="+b.path("traefik.yaml"))
}
