package guard_test

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// TestBrokenBodiesOverHTTP2AreLogged breaks off requests that have passed every
// rule by what their body is. Nobody has gone away.
func TestBrokenBodiesOverHTTP2AreLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, length string
		do           func(p *frames)
		reason       string
	}{
		{"longer than it said", "5", func(p *frames) { _ = p.framer.WriteData(1, false, []byte("hello!")) }, "longer than its Content-Length"},
		{"shorter than it said", "5", func(p *frames) { _ = p.framer.WriteData(1, true, []byte("hell")) }, "shorter than its Content-Length"},
		{"a trailer that is none", "5", func(p *frames) { p.headers(1, []string{":path", "/"}, true) }, "trailer is malformed"},
		{"no update of a window", "5", func(p *frames) { _ = p.framer.WriteRawFrame(http2.FrameWindowUpdate, 0, 1, make([]byte, 4)) }, "WINDOW_UPDATE of nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			p := f.frames()
			p.headers(1, []string{":method", "POST", ":scheme", "https", ":authority", testHost, ":path", "/x", "authorization", f.bearer(), "content-length", c.length}, false)
			c.do(p)
			m := f.firstRecord()
			reason, _ := m["reason"].(string)
			if m["decision"] != "refused" || m["rule"] != "headers" || !strings.Contains(reason, c.reason) {
				t.Errorf("got record %v, want a refusal for %q", m, c.reason)
			}
			if n := f.upstream.count(); n != 0 {
				t.Errorf("%d requests reached the upstream", n)
			}
		})
	}
}
