package proxies_test

import "testing"

func TestCaddy(t *testing.T) {
	t.Parallel()
	b := newBed(t, "caddy", []string{"Caddyfile"}, "admin 127.0.0.1:2019", "admin unix/admin.sock")
	b.try(t, proxy{own: map[string]int{"other host": 421}}, find("caddy"), "run", "--adapter", "caddyfile", "--config", b.path("Caddyfile"))
}
