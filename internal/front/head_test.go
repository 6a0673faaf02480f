package front_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/net/http/httpguts"

	"github.com/wiretight/wiretight/internal/front"
)

const get = "GET /items?a=b HTTP/1.1\r\nHost: a.test\r\n"

// heads are request heads and what becomes of them: a status, 0 for those that
// net/http gets, 200 for those that are answered here.
var heads = []struct {
	name, text string
	status     int
}{
	{"usual", get + "Authorization: Bearer x\r\nAccept: */*\r\n\r\n", 200},
	{"length", "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n", 200},
	{"two equal lengths", get + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 200},
	{"values in order", get + "X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n", 200},
	{"empty value", get + "X-A:\r\nX-B: \t \r\n\r\n", 200},
	{"tabs around a value", get + "X-A:\t a b\t\r\n\r\n", 200},
	{"value above ASCII", get + "X-A: \xff\xfe\r\n\r\n", 200},
	{"name in other letters", get + "x-lOw-er_x.y: a\r\n\r\n", 200},
	{"pragma", get + "Pragma: no-cache\r\n\r\n", 200},
	{"pragma beside cache-control", get + "Pragma: no-cache\r\nCache-Control: max-age=1\r\n\r\n", 200},
	{"close", get + "Connection: keep-alive, Close\r\n\r\n", 200},
	{"escapes", "GET /a%20b/%2F?x=%zz HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	{"odd bytes in the path", "GET /a'(b)*!;\"<>|{}[]^`\\ HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	{"path above ASCII", "GET /\xc3\xa4\xff HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	{"two slashes", "GET //a.test/b HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	{"question mark alone", "GET /? HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	{"two question marks", "GET /a?? HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	{"fragment", "GET /a#b?c#d HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	{"small method", "get / HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 200},

	{"upgrade", get + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 0},
	{"expectation", get + "Expect: 100-continue\r\n\r\n", 0},
	{"chunked", get + "Transfer-Encoding: chunked\r\n\r\n", 0},
	{"trailer", get + "Trailer: X-A\r\n\r\n", 0},
	{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 0},
	{"CONNECT", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", 0},
	{"CONNECT of a path", "CONNECT /a HTTP/1.1\r\nHost: a.test\r\n\r\n", 0},
	{"absolute form", "GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 0},
	{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", 0},

	{"nothing", "\r\n", 400},
	{"line without target", "GET\r\n\r\n", 400},
	{"line without version", "GET /\r\n\r\n", 400},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n", 400},
	{"tab in the target", "GET /a\tb HTTP/1.1\r\nHost: a.test\r\n\r\n", 400},
	{"space behind the version", "GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n", 400},
	{"bad escape", "GET /%zz HTTP/1.1\r\nHost: a.test\r\n\r\n", 400},
	{"control byte in the method", "G\x01T / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400},
	{"version 1.1.1", "GET / HTTP/1.1.1\r\nHost: a.test\r\n\r\n", 400},
	{"version in small letters", "GET / http/1.1\r\nHost: a.test\r\n\r\n", 400},
	{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 400},
	{"version 2.0", "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", 505},
	{"version 1.2", "GET / HTTP/1.2\r\nHost: a.test\r\n\r\n", 505},
	{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
	{"two Hosts", get + "Host: a.test\r\n\r\n", 400},
	{"two Hosts and an upgrade", get + "Host: a.test\r\nUpgrade: x\r\n\r\n", 400},
	{"Host with a slash", "GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n", 400},
	{"Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	{"Host above ASCII", "GET / HTTP/1.1\r\nHost: \xc3\xa4.test\r\n\r\n", 400},
	{"bare LF", "GET / HTTP/1.1\nHost: a.test\n\n", 400},
	{"bare LF in the header", get + "X-A: b\nX-B: c\r\n\r\n", 400},
	{"bare LF at the end", get + "\n", 400},
	{"bare CR", get + "X-A: b\rX-B: c\r\n\r\n", 400},
	{"CR before CRLF", get + "X-A: b\r\r\n\r\n", 400},
	{"folded", get + "X-A: b\r\n c\r\n\r\n", 400},
	{"folded first line", "GET / HTTP/1.1\r\n\tHost: a.test\r\n\r\n", 400},
	{"NUL in a value", get + "X-A: a\x00b\r\n\r\n", 400},
	{"DEL in a value", get + "X-A: a\x7fb\r\n\r\n", 400},
	{"space before the colon", get + "X-A : b\r\n\r\n", 400},
	{"space in a name", get + "X A: b\r\n\r\n", 400},
	{"name above ASCII", get + "X-\xc3\xa4: b\r\n\r\n", 400},
	{"no name", get + ": b\r\n\r\n", 400},
	{"no colon", get + "X-A\r\n\r\n", 400},
	{"length with a plus", get + "Content-Length: +5\r\n\r\n", 400},
	{"negative length", get + "Content-Length: -5\r\n\r\n", 400},
	{"no length", get + "Content-Length:\r\n\r\n", 400},
	{"list of lengths", get + "Content-Length: 5, 5\r\n\r\n", 400},
	{"length that overflows", get + "Content-Length: 9223372036854775808\r\n\r\n", 400},
	{"two lengths", get + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
	{"the same length in two ways", get + "Content-Length: 5\r\nContent-Length: 05\r\n\r\n", 400},
	{"length beside a coding", get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"coding beside a length", get + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
	{"coding with HTTP/1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"two codings", get + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
	{"list of codings", get + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
	{"identity", get + "Transfer-Encoding: identity\r\n\r\n", 501},
	{"coding in quotes", get + "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
	{"no coding", get + "Transfer-Encoding:\r\n\r\n", 501},
}

func TestHeads(t *testing.T) {
	t.Parallel()
	for _, c := range heads {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var r front.Reader
			_, size, usual, status := r.Read([]byte(c.text))
			if status == 0 && usual {
				status = 200
			}
			if status != c.status || status == 200 && size != len(c.text) {
				t.Errorf("got %d after %d bytes, want %d after %d", status, size, c.status, len(c.text))
			}
		})
	}
}

// standard is what net/http's server makes of a head, and what it leaves of b.
func standard(b []byte) (r *http.Request, left []byte, ok bool) {
	in := bufio.NewReader(bytes.NewReader(b))
	r, err := http.ReadRequest(in)
	if err != nil || !r.ProtoAtLeast(1, 1) || r.ProtoMajor != 1 {
		return nil, nil, false
	}
	// The rest is what its server looks at besides. ReadRequest takes Host out.
	if !httpguts.ValidHostHeader(r.Host) {
		return nil, nil, false
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return nil, nil, false
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return nil, nil, false
			}
		}
	}
	if r.ContentLength == 0 {
		left, err = io.ReadAll(in)
	} else { // its body begins where the head has ended
		left, err = io.ReadAll(io.MultiReader(r.Body, in))
		if err != nil && r.ContentLength >= int64(len(left)) {
			err = nil // the body is not whole
		}
	}
	return r, left, err == nil
}

// judge holds a head against net/http: what is answered here, net/http takes
// for the same request.
func judge(t *testing.T, r *front.Reader, b []byte) {
	t.Helper()
	got, size, usual, status := r.Read(b)
	if size == 0 || status != 0 || !usual {
		return
	}
	want, left, ok := standard(b)
	if !ok {
		t.Fatalf("net/http refuses %q", b)
	}
	if !bytes.Equal(left, b[size:]) {
		t.Fatalf("of %q got %q for the body, net/http %q", b, b[size:], left)
	}
	same := cmp.Options{cmpopts.IgnoreUnexported(http.Request{}), cmpopts.IgnoreFields(http.Request{}, "Body"), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Fatalf("%q (-net/http +front)\n%s", b, diff)
	}
}

// TestHeadsAsStandard runs the table over one connection's reader, so that each
// head comes after another with lines that it may be mistaken for.
func TestHeadsAsStandard(t *testing.T) {
	t.Parallel()
	var r front.Reader
	for range 2 {
		for _, c := range heads {
			judge(t, &r, []byte(c.text))
		}
	}
}

func FuzzHead(f *testing.F) {
	for _, c := range heads {
		f.Add(c.text, heads[0].text)
		f.Add(heads[0].text, c.text+"GET /next HTTP/1.1\r\n")
	}
	f.Fuzz(func(t *testing.T, before, text string) {
		var after, fresh front.Reader
		_, _, _, _ = after.Read([]byte(before))
		judge(t, &after, []byte(text))
		// What came before must not matter.
		a, sizeA, usualA, statusA := after.Read([]byte(text))
		b, sizeB, usualB, statusB := fresh.Read([]byte(text))
		if sizeA != sizeB || usualA != usualB || statusA != statusB {
			t.Fatalf("%q behind %q: got %d %v %d, alone %d %v %d", text, before, sizeA, usualA, statusA, sizeB, usualB, statusB)
		}
		if diff := cmp.Diff(b, a, cmpopts.IgnoreUnexported(http.Request{})); diff != "" {
			t.Fatalf("%q behind %q (-alone +behind)\n%s", text, before, diff)
		}
		if strings.Contains(text[:sizeB], "\n\n") && statusB == 0 {
			t.Fatalf("%q was taken although a line ends in a bare LF", text)
		}
	})
}
