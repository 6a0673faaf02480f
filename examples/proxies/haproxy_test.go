package proxies_test

import (
	"os"
	"strings"
	"testing"
)

func TestHAProxy(t *testing.T) {
	t.Parallel()
	b := newBed(t, "haproxy", []string{"haproxy.cfg", "wiretight.lua"})
	b.try(t, proxy{}, find("haproxy"), "-db", "-f", b.path("haproxy.cfg"))
}

// TestHAProxyScriptFails holds the configuration to refusing where HAProxy itself
// goes on: after an error in the script.
func TestHAProxyScriptFails(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"error before asking": {"local preflight =", `error("broken"); local preflight =`},
		"error after asking":  {"for _, name in ipairs(identity) do", `error("broken"); for _, name in ipairs(identity) do`},
		"no answer kept":      {`txn:set_var("txn.wiretight", "allowed")`, ""},
		"endless":             {"local preflight =", "while true do end; local preflight ="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, "haproxy", []string{"haproxy.cfg", "wiretight.lua"})
			script, err := os.ReadFile(b.path("wiretight.lua"))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(script), change[0]) != 1 {
				t.Fatalf("wiretight.lua has not one %q", change[0])
			}
			b.write("wiretight.lua", []byte(strings.Replace(string(script), change[0], change[1], 1)))
			p := b.startProxy(t, proxy{}, find("haproxy"), "-db", "-f", b.path("haproxy.cfg"))
			if got := p.send(request{Header: bearer(b.mint(nil))}); got.Reached || got.Status != 503 {
				t.Errorf("got %v, want 503", got)
			}
		})
	}
}
