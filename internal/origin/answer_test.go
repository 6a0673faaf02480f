package origin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/origin"
)

// canned is the end of a connection on which an answer waits already.
type canned struct {
	net.Conn
	answer io.Reader
}

func (c canned) Read(p []byte) (int, error)     { return c.answer.Read(p) }
func (canned) Write(p []byte) (int, error)      { return len(p), nil }
func (canned) Close() error                     { return nil }
func (canned) SetDeadline(time.Time) error      { return nil }
func (canned) SetReadDeadline(time.Time) error  { return nil }
func (canned) SetWriteDeadline(time.Time) error { return nil }

// reading is what somebody made of an answer.
type reading struct {
	Status          int
	Text            string
	Header, Trailer http.Header
	Length          int64
	Coding          []string
	Close           bool
	Body            string
}

func understand(res *http.Response) (reading, error) {
	out := reading{
		Status: res.StatusCode, Text: res.Status, Header: res.Header.Clone(), Length: res.ContentLength,
		Coding: res.TransferEncoding, Close: res.Close,
	}
	delete(out.Header, "Connection") // net/http does so if it says close
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	out.Body = string(body)
	if len(res.Trailer) > 0 {
		out.Trailer = res.Trailer.Clone()
	}
	_ = res.Body.Close()
	return out, err
}

// ours is what Do makes of an answer, which arrives in pieces of a size.
func ours(method, answer string, piece int) (reading, error) {
	c := origin.New(origin.Config{
		Dial: func(context.Context) (net.Conn, error) {
			return canned{answer: &pieces{answer, piece}}, nil
		},
		HeaderTimeout: time.Minute, IdleTimeout: time.Minute, MaxIdle: 1, MaxHeader: 8 << 10,
	})
	defer c.CloseIdle()
	res, err := c.Do(context.Background(), request(method, "/"), nil, nil)
	if err != nil {
		return reading{}, err
	}
	return understand(res)
}

type pieces struct {
	left string
	size int
}

func (p *pieces) Read(into []byte) (int, error) {
	if p.left == "" {
		return 0, io.EOF
	}
	n := copy(into[:min(p.size, len(into))], p.left)
	p.left = p.left[n:]
	return n, nil
}

// theirs is what net/http makes of it, 1xx answers left out.
func theirs(method, answer string) (reading, error) {
	in := bufio.NewReaderSize(strings.NewReader(answer), 8<<10)
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return reading{}, err
		}
		if res.StatusCode >= 200 {
			return understand(res)
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\n"

// understood are answers that both read, and read alike.
var understood = []struct{ name, answer string }{
	{"length", ok + "Content-Length: 2\r\n\r\nok"},
	{"length of nothing", ok + "Content-Length: 0\r\n\r\n"},
	{"length with space around", ok + "Content-Length: \t 2 \r\n\r\nok"},
	{"no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"},
	{"empty reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"},
	{"reason of Latin 1", "HTTP/1.1 404 Pas trouv\xe9\r\nContent-Length: 0\r\n\r\n"},
	{"odd status", "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok"},
	{"no fields", ok + "\r\nok"},
	{"until close", ok + "Connection: close\r\n\r\nok"},
	{"close with length", ok + "Connection: Keep-Alive, Close\r\nContent-Length: 2\r\n\r\nok"},
	{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nok"},
	{"HTTP/1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"},
	{"204", "HTTP/1.1 204 No Content\r\n\r\n"},
	{"204 with length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"},
	{"304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nEtag: \"x\"\r\n\r\n"},
	{"304 chunked", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{"after 100 and 103", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok"},
	{"repeated field", ok + "Set-Cookie: a=1\r\nContent-Length: 0\r\nset-cookie: b=2\r\nSET-COOKIE: c=3\r\n\r\n"},
	{"empty value", ok + "X-A:\r\nX-B: \r\nContent-Length: 0\r\n\r\n"},
	{"many fields", ok + strings.Repeat("X-A: b\r\n", 50) + numbered(50) + "Content-Length: 0\r\n\r\n"},
	{"chunked", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"CHUNKED", ok + "Transfer-Encoding: CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"many chunks", ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n0a\r\n0123456789\r\n", 100) + "000\r\n\r\n"},
	{"extensions", ok + "Transfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nok\r\n0;e\r\n\r\n"},
	{"trailer", ok + "Transfer-Encoding: chunked\r\nTrailer: X-Sum, x-late,,\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\nx-other: 3\r\n\r\n"},
	{"trailer that never comes", ok + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n0\r\n\r\n"},
	{"upper-case size", ok + "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n"},
	{"surplus", ok + "Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"},
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-%d: %d\r\n", i, i)
	}
	return b.String()
}

// refused are answers that Do does not take, whatever net/http does.
var refused = []struct{ name, answer string }{
	{"nothing", ""},
	{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"},
	{"bare LF after a field", ok + "X-A: b\nContent-Length: 2\r\n\r\nok"},
	{"bare LF at the end", ok + "Content-Length: 2\r\n\nok"},
	{"CR in a value", ok + "X-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\nok"},
	{"CR before CR LF", ok + "X-A: b\r\r\nContent-Length: 2\r\n\r\nok"},
	{"NUL in a value", ok + "X-A: b\x00c\r\nContent-Length: 2\r\n\r\nok"},
	{"NUL in the reason", "HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok"},
	{"DEL in a value", ok + "X-A: \x7f\r\nContent-Length: 2\r\n\r\nok"},
	{"folded line", ok + "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok"},
	{"folded first line", ok + " X-A: b\r\nContent-Length: 2\r\n\r\nok"},
	{"space before the colon", ok + "Content-Length : 2\r\n\r\nok"},
	{"space in a name", ok + "Content Length: 2\r\n\r\nok"},
	{"no colon", ok + "Content-Length\r\n\r\nok"},
	{"no name", ok + ": 2\r\n\r\nok"},
	{"name of Latin 1", ok + "X-\xe9: 2\r\n\r\nok"},
	{"two spaces", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"two spaces behind the status", "HTTP/1.1 200OK\r\nContent-Length: 2\r\n\r\nok"},
	{"tab", "HTTP/1.1\t200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"HTTP/0.9", "ok"},
	{"http/1.1", "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"status with a sign", "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok"},
	{"empty line first", "\r\n" + ok + "Content-Length: 2\r\n\r\nok"},
	{"two lengths", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"},
	{"the same length twice", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"},
	{"list of lengths", ok + "Content-Length: 2, 2\r\n\r\nok"},
	{"length with a sign", ok + "Content-Length: +2\r\n\r\nok"},
	{"negative length", ok + "Content-Length: -2\r\n\r\nok"},
	{"hexadecimal length", ok + "Content-Length: 0x2\r\n\r\nok"},
	{"empty length", ok + "Content-Length:\r\n\r\nok"},
	{"length beyond all bounds", ok + "Content-Length: 99999999999999999999\r\n\r\nok"},
	{"bad length of a 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: x\r\n\r\n"},
	{"both", ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"gzip, chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"chunked twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"chunked, identity", ok + "Transfer-Encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"xchunked", ok + "Transfer-Encoding: xchunked\r\n\r\nok"},
	{"empty coding", ok + "Transfer-Encoding:\r\n\r\nok"},
	{"chunked by HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{"short body", ok + "Content-Length: 9\r\n\r\nok"},
	{"no end of the header", ok + "Content-Length: 2\r\n"},
	{"header beyond all bounds", ok + "X-A: " + strings.Repeat("a", 9<<10) + "\r\n\r\n"},
	{"bounds hold for 1xx together", strings.Repeat("HTTP/1.1 103 Early Hints\r\nX-A: "+strings.Repeat("a", 3<<10)+"\r\n\r\n", 3) + ok + "Content-Length: 2\r\n\r\nok"},
	{"trailer that decides on framing", ok + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n"},
	{"no size", chunkedAnswer("\r\nok\r\n0\r\n\r\n")},
	{"size with a sign", chunkedAnswer("+2\r\nok\r\n0\r\n\r\n")},
	{"size with 0x", chunkedAnswer("0x2\r\nok\r\n0\r\n\r\n")},
	{"size with space", chunkedAnswer("2 \r\nok\r\n0\r\n\r\n")},
	{"size with space before", chunkedAnswer(" 2\r\nok\r\n0\r\n\r\n")},
	{"size beyond all bounds", chunkedAnswer("10000000000000002\r\nok\r\n0\r\n\r\n")},
	{"size ends in LF", chunkedAnswer("2\nok\r\n0\r\n\r\n")},
	{"size ends in CR", chunkedAnswer("2\rok\r\n0\r\n\r\n")},
	{"extension with LF", chunkedAnswer("2;a\nb\r\nok\r\n0\r\n\r\n")},
	{"extension with CR", chunkedAnswer("2;a\rb\r\nok\r\n0\r\n\r\n")},
	{"extension with NUL", chunkedAnswer("2;a\x00\r\nok\r\n0\r\n\r\n")},
	{"extension without end", chunkedAnswer("2;" + strings.Repeat("a", 2000) + "\r\nok\r\n0\r\n\r\n")},
	{"extensions without end", chunkedAnswer(strings.Repeat("1;"+strings.Repeat("a", 900)+"\r\na\r\n", 20) + "0\r\n\r\n")},
	{"chunk too long", chunkedAnswer("2\r\noka\r\n0\r\n\r\n")},
	{"chunk too short", chunkedAnswer("3\r\nok\r\n0\r\n\r\n")},
	{"chunk ends in LF", chunkedAnswer("2\r\nok\n0\r\n\r\n")},
	{"no last chunk", chunkedAnswer("2\r\nok\r\n")},
	{"no end of the trailer", chunkedAnswer("2\r\nok\r\n0\r\n")},
	{"bad trailer", chunkedAnswer("2\r\nok\r\n0\r\nX A: b\r\n\r\n")},
	{"trailer of LF", chunkedAnswer("2\r\nok\r\n0\r\nX-A: b\n\r\n")},
	{"trailer without end", chunkedAnswer("2\r\nok\r\n0\r\nX-A: " + strings.Repeat("b", 5000) + "\r\n\r\n")},
}

func chunkedAnswer(body string) string { return ok + "Transfer-Encoding: chunked\r\n\r\n" + body }

func TestAnswersAreUnderstoodAlike(t *testing.T) {
	t.Parallel()
	for _, test := range understood {
		for _, method := range []string{"GET", "HEAD"} {
			want, err := theirs(method, test.answer)
			if err != nil {
				t.Fatalf("%s %s: net/http: %v", method, test.name, err)
			}
			for _, piece := range []int{1, 7, 1 << 20} {
				got, err := ours(method, test.answer, piece)
				if err != nil {
					t.Errorf("%s %s in pieces of %d: %v", method, test.name, piece, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s %s in pieces of %d (-net/http +got):\n%s", method, test.name, piece, diff)
				}
			}
		}
	}
}

func TestAnswersAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range refused {
		for _, piece := range []int{1, 7, 1 << 20} {
			if got, err := ours("GET", test.answer, piece); err == nil {
				t.Errorf("%s in pieces of %d: got %+v, want an error", test.name, piece, got)
			}
		}
	}
}

// FuzzAnswer holds that Do takes nothing that net/http does not take, and reads
// what it takes in the same way, however it arrives.
func FuzzAnswer(f *testing.F) {
	for _, test := range understood {
		f.Add(test.answer, false, uint8(7))
	}
	for _, test := range refused {
		f.Add(test.answer, false, uint8(100))
	}
	f.Fuzz(func(t *testing.T, answer string, head bool, piece uint8) {
		method := map[bool]string{false: "GET", true: "HEAD"}[head]
		got, err := ours(method, answer, 1<<20)
		again, err2 := ours(method, answer, 1+int(piece))
		if diff := cmp.Diff(got, again); diff != "" || (err == nil) != (err2 == nil) {
			t.Errorf("in pieces: %v instead of %v (-whole +pieces):\n%s", err2, err, diff)
		}
		if errors.Is(err, io.ErrNoProgress) {
			t.Errorf("got %v", err)
		}
		if err != nil {
			return
		}
		if got.Status < 200 {
			t.Errorf("got status %d as an answer", got.Status)
		}
		want, err := theirs(method, answer)
		if err != nil {
			t.Fatalf("net/http refuses it: %v; got %+v", err, got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-net/http +got):\n%s", diff)
		}
	})
}
