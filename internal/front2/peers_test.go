package front2_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestConformance runs h2spec, which tries what RFC 9113 and RFC 7541 forbid.
func TestConformance(t *testing.T) {
	t.Parallel()
	ours, _ := servers(t, reusing(describe))
	host, port, _ := strings.Cut(ours.Listener.Addr().String(), ":")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // it may have to be built first
	defer cancel()
	said, err := exec.CommandContext(ctx, "go", "tool", "-modfile=../../tools/go.mod", "h2spec",
		"-h", host, "-p", port, "-t", "-k", "-S", "-o", "10").CombinedOutput()
	if err != nil || !bytes.Contains(said, []byte(" 0 failed")) {
		t.Errorf("h2spec: %v\n%s", err, said)
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	ours, _ := servers(t, reusing(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %s %s %d %v", r.Proto, r.Method, r.RequestURI, n, err)
	}))
	for _, c := range []struct {
		args []string
		in   int
		want string
	}{
		{nil, 0, "HTTP/2.0 GET /x 0 <nil>"},
		{[]string{"--data-binary", "@-"}, 2 << 20, "HTTP/2.0 POST /x 2097152 <nil>"},
		{[]string{"-T", "-", "-H", "Expect: 100-continue"}, 2 << 20, "HTTP/2.0 PUT /x 2097152 <nil>"},
		{[]string{"-I", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"}, 0, "2 200"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cmd := exec.CommandContext(ctx, "curl", append([]string{"-sSk", "--http2", ours.URL + "/x"}, c.args...)...)
		cmd.Stdin = bytes.NewReader(make([]byte, c.in))
		said, err := cmd.CombinedOutput()
		cancel()
		if err != nil || string(said) != c.want {
			t.Errorf("curl %q: got %q, %v; want %q (apt-get install curl if it is missing)", c.args, said, err, c.want)
		}
	}
}
