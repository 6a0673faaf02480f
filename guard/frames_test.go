package guard_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is an HTTP/2 client that sends whatever it is told to.
type frames struct {
	t      testing.TB
	conn   *tls.Conn
	framer *http2.Framer
	stream uint32
}

func (f *fixture) frames() *frames {
	f.t.Helper()
	c, err := tls.Dial("tcp", f.addr,
		&tls.Config{InsecureSkipVerify: true, ServerName: testHost, NextProtos: []string{"h2"}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		f.t.Fatal(err)
	}
	fr := http2.NewFramer(c, c)
	fr.AllowIllegalWrites = true
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := fr.WriteSettings(); err != nil {
		f.t.Fatal(err)
	}
	return &frames{t: f.t, conn: c, framer: fr, stream: 1}
}

// send writes one request: name, value, name, value; then data, if any, then
// trailers, if any. It returns the status, or 0 when the stream or the
// connection was reset.
func (fr *frames) send(fields []string, data string, trailers []string) int {
	fr.t.Helper()
	id := fr.stream
	fr.stream += 2
	fr.headers(id, fields, data == "" && trailers == nil)
	if data != "" {
		_ = fr.framer.WriteData(id, trailers == nil, []byte(data)) // the server may have hung up by now
	}
	if trailers != nil {
		fr.headers(id, trailers, true)
	}
	status := 0
	for {
		frame, err := fr.framer.ReadFrame()
		if err != nil {
			return status
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if _, err := fmt.Sscan(frame.PseudoValue("status"), &status); err != nil {
				fr.t.Fatalf("answer without a status: %v", frame)
			}
			if frame.StreamEnded() {
				return status
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return status
			}
		case *http2.RSTStreamFrame:
			return status
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return status
			}
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = fr.framer.WriteSettingsAck()
			}
		}
	}
}

func (fr *frames) headers(id uint32, fields []string, end bool) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			fr.t.Fatal(err)
		}
	}
	_ = fr.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true})
}

// TestSmugglingOverHTTP2 sends what HTTP/2 can carry and HTTP/1.1 cannot: line
// ends within fields, lengths that are not those of the body, pseudo fields of
// every kind.
func TestSmugglingOverHTTP2(t *testing.T) {
	t.Parallel()
	// with returns a usual request with some fields replaced or added.
	with := func(changes ...string) []string {
		fields := []string{":method", "POST", ":scheme", "https", ":authority", testHost, ":path", "/items", "authorization", "Bearer TOKEN"}
		for i := 0; i+1 < len(changes); i += 2 {
			found := false
			for j := 0; j < len(fields); j += 2 {
				if fields[j] == changes[i] && !found {
					fields[j+1], found = changes[i+1], true
				}
			}
			if !found {
				fields = append(fields, changes[i], changes[i+1])
			}
		}
		return fields
	}
	without := func(name string) []string {
		var kept []string
		for fields := with(); len(fields) > 0; fields = fields[2:] {
			if fields[0] != name {
				kept = append(kept, fields[:2]...)
			}
		}
		return kept
	}
	split := "\r\nContent-Length: 66\r\n\r\n" + smuggled
	cases := []struct {
		name     string
		fields   []string
		data     string
		trailers []string
		pass     bool // it may pass, as one request for /items with this data
	}{
		{"usual", with(), "", nil, true},
		{"usual with data", with(), "hello", nil, true},
		{"true length", with("content-length", "5"), "hello", nil, true},
		{"length of zero", with("content-length", "0"), "", nil, true},
		{"length without data", with("content-length", "66"), "", nil, false},
		{"length without data, GET", with(":method", "GET", "content-length", "66"), "", nil, false},
		{"length shorter than the data", with("content-length", "2"), "hello", nil, false},
		{"length longer than the data", with("content-length", "66"), "hello", nil, false},
		{"two lengths", append(with("content-length", "5"), "content-length", "66"), "hello", nil, false},
		{"length with a plus", with("content-length", "+5"), "hello", nil, false},
		{"negative length", with("content-length", "-1"), "", nil, false},
		{"length that is no number", with("content-length", "5, 5"), "hello", nil, false},
		{"length without a value", with("content-length", ""), "", nil, false},
		{"length that hides a request", with("content-length", "0"+split), "", nil, false},
		{"coding", with("transfer-encoding", "chunked"), "0\r\n\r\n" + smuggled, nil, false},
		{"coding with an underscore", with("transfer_encoding", "chunked"), "0\r\n\r\n" + smuggled, nil, false},
		{"connection", with("connection", "authorization"), "", nil, false},
		{"keep-alive", with("keep-alive", "timeout=5"), "", nil, false},
		{"upgrade", with("upgrade", "websocket"), "", nil, false},
		{"te other than trailers", with("te", "gzip"), "", nil, false},
		{"te", with("te", "trailers"), "", nil, true},
		{"value with CRLF", with("x-a", "b\r\nX-Smuggled: yes"), "", nil, false},
		{"value with LF", with("x-a", "b\nX-Smuggled: yes"), "", nil, false},
		{"value with CR", with("x-a", "b\rX-Smuggled: yes"), "", nil, false},
		{"value with NUL", with("x-a", "b\x00c"), "", nil, false},
		{"value that is a request", with("x-a", "b\r\n\r\n"+smuggled), "", nil, false},
		{"cookie with CRLF", with("cookie", "a=b\r\nX-Smuggled: yes"), "", nil, false},
		{"name in capitals", with("X-Smuggled", "yes"), "", nil, false},
		{"name with a colon", with("x-a: b\r\nx-smuggled", "yes"), "", nil, false},
		{"name with CRLF", with("x-a\r\nx-smuggled", "yes"), "", nil, false},
		{"name with a space", with("x-smuggled ", "yes"), "", nil, false},
		{"empty name", with("", "yes"), "", nil, false},
		{"path with a space", with(":path", "/items HTTP/1.1"), "", nil, false},
		{"path with CRLF", with(":path", "/items HTTP/1.1\r\nX-Smuggled: yes\r\nX-A: "), "", nil, false},
		{"path with a tab", with(":path", "/items\t/smuggled"), "", nil, false},
		{"path with NUL", with(":path", "/items\x00"), "", nil, false},
		{"query with a space", with(":path", "/items?a=b HTTP/1.1"), "", nil, false},
		{"query with CRLF", with(":path", "/items?a=b HTTP/1.1\r\nX-Smuggled: yes\r\nX-A: "), "", nil, false},
		{"fragment", with(":path", "/items#/smuggled"), "", nil, false},
		{"empty path", with(":path", ""), "", nil, false},
		{"asterisk", with(":method", "OPTIONS", ":path", "*"), "", nil, false},
		{"path that is a URL", with(":path", "https://api.example.com/items"), "", nil, false},
		{"path without a slash", with(":path", "items"), "", nil, false},
		{"path that is an authority", with(":path", "//evil.example/items"), "", nil, false},
		{"two paths", append(with(), ":path", "/smuggled"), "", nil, false},
		{"no path", without(":path"), "", nil, false},
		{"method with a space", with(":method", "GET /smuggled HTTP/1.1"), "", nil, false},
		{"method with CRLF", with(":method", "GET /smuggled HTTP/1.1\r\nHost: api.example.com\r\n\r\nPOST"), "", nil, false},
		{"method in small letters", with(":method", "post"), "", nil, false},
		{"no method", without(":method"), "", nil, false},
		{"CONNECT", []string{":method", "CONNECT", ":authority", testHost + ":443", "authorization", "Bearer TOKEN"}, "", nil, false},
		{"CONNECT with a protocol", append([]string{":protocol", "websocket"}, with(":method", "CONNECT")...), "", nil, false},
		{"authority with CRLF", with(":authority", testHost+"\r\nX-Smuggled: yes"), "", nil, false},
		{"authority with a space", with(":authority", testHost+" x"), "", nil, false},
		{"authority with a user", with(":authority", "evil@"+testHost), "", nil, false},
		{"authority with a path", with(":authority", testHost+"/smuggled"), "", nil, false},
		{"authority with a trailing dot", with(":authority", testHost+"."), "", nil, false},
		{"another authority", with(":authority", "evil.example"), "", nil, false},
		{"two authorities", append(with(), ":authority", "evil.example"), "", nil, false},
		{"no authority", without(":authority"), "", nil, false},
		{"host beside authority", with("host", "evil.example"), "", nil, false},
		{"equal host beside authority", with("host", testHost), "", nil, false},
		{"host in place of authority", append(without(":authority"), "host", testHost), "", nil, false},
		{"scheme http", with(":scheme", "http"), "", nil, true},
		{"scheme with CRLF", with(":scheme", "https://evil.example/\r\nX-Smuggled: yes"), "", nil, false},
		{"no scheme", without(":scheme"), "", nil, false},
		{"unknown pseudo field", append([]string{":smuggled", "yes"}, with()...), "", nil, false},
		{"pseudo field behind others", append(with("x-a", "b"), ":path", "/smuggled"), "", nil, false},
		{"status in a request", append([]string{":status", "200"}, with()...), "", nil, false},
		{"trailers", with("trailer", "content-length"), "hello", []string{"content-length", "66", "x-smuggled", "yes", "authorization", "x"}, true},
		{"trailers with a pseudo field", with(), "hello", []string{":path", "/smuggled"}, false},
		{"trailers with CRLF", with(), "hello", []string{"x-a", "b\r\nX-Smuggled: yes"}, false},
		{"early data", with("early-data", "1"), "", nil, true},
		{"expectation", with("expect", "100-continue"), "hello", nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, w := newWireFixture(t, nil)
			for i := range c.fields {
				if c.fields[i] == "Bearer TOKEN" {
					c.fields[i] = f.bearer()
				}
			}
			status := f.frames().send(c.fields, c.data, c.trailers)
			if (status == 200) != c.pass {
				t.Errorf("got status %d, want it to pass: %v", status, c.pass)
			}
			if after := f.get("/after", "Authorization", f.bearer()); after.status != 200 || after.body != "ok" {
				t.Errorf("the next request: got %v, want 200", after)
			}
			requests, err := w.requests()
			if err != nil {
				t.Fatalf("the upstream was sent an ambiguous request: %v", err)
			}
			sent, after := 0, 0
			for _, r := range requests {
				switch {
				case r.target == "/after":
					after++
					continue
				case !r.whole:
					continue // cut off when the mistake showed, so nobody acts on it
				case r.target != "/items" || r.body != c.data || len(r.values("X-Smuggled")) > 0 || len(r.values("Early-Data")) > 0:
					t.Errorf("the upstream got %+v, want /items with body %q", r, c.data)
				}
				sent++
			}
			if after != 1 {
				t.Errorf("the next request did not stand alone: %q", w.bytes())
			}
			if sent > 1 || sent == 1 && !c.pass || sent == 0 && c.pass {
				t.Errorf("%d requests reached the upstream, want it to pass: %v", sent, c.pass)
			}
		})
	}
}
