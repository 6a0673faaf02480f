package guard_test

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// TestMalformedHTTP2IsLogged looks for the records of what is no request over
// HTTP/2, whose sender gets no id to show.
func TestMalformedHTTP2IsLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fields []string
		reason string
	}{
		{"connection field", []string{":method", "GET", ":scheme", "https", ":authority", testHost, ":path", "/", "upgrade", "h2c"}, "belongs to a connection"},
		{"upper case", []string{":method", "GET", ":scheme", "https", ":authority", testHost, ":path", "/", "X-A", "b"}, "name of a header"},
		{"no path", []string{":method", "GET", ":scheme", "https", ":authority", testHost}, "path is missing"},
		{"broken compression", nil, "header block"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			p := f.frames()
			if c.fields != nil {
				if status := p.send(c.fields, "", nil); status != 0 {
					t.Errorf("got status %d, want a reset", status)
				}
			} else if err := p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff}, EndStream: true, EndHeaders: true}); err != nil {
				t.Fatal(err)
			}
			m := f.firstRecord()
			reason, _ := m["reason"].(string)
			if id, _ := m["request_id"].(string); id == "" || m["decision"] != "refused" || m["rule"] != "headers" || !strings.Contains(reason, c.reason) {
				t.Errorf("got record %v, want one refusal for %q", m, c.reason)
			}
		})
	}
}

// firstRecord waits for the first record of a request: of one whose sender gets
// no id to look for.
func (f *fixture) firstRecord() map[string]any {
	f.t.Helper()
	var m map[string]any
	eventually(f.t, "the record", func() bool {
		for line := range strings.Lines(f.log.String()) {
			m = nil
			if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == "request" {
				return true
			}
		}
		return false
	})
	return m
}
