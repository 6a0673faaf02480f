package guard_test

import "testing"

func TestGoodRequestPasses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for name, c := range map[string]func(string, ...string) reply{
		"HTTP/1.1": f.get,
		"HTTP/2.0": func(p string, h ...string) reply { return f.send(f.h2, "GET", p, "", h...) },
	} {
		got := c("/items?limit=2", "Authorization", f.bearer())
		if got.status != 200 || got.body != "hello" || got.proto != name {
			t.Errorf("%s: got %v", name, got)
		}
		if up := f.upstream.last(t); up.target != "/items?limit=2" || up.host != testHost {
			t.Errorf("%s: upstream got %v", name, up)
		}
	}
}
