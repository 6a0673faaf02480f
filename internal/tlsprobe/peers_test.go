package tlsprobe_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialler counts the connections that it makes to addr.
type dialler struct {
	addr string
	n    atomic.Int64
}

func (d *dialler) dial(ctx context.Context) (net.Conn, error) {
	d.n.Add(1)
	var nd net.Dialer
	return nd.DialContext(ctx, "tcp", d.addr)
}

func probe(addr string) *tlsprobe.Probe {
	return &tlsprobe.Probe{Dial: (&dialler{addr: addr}).dial, ServerName: host, Timeout: 5 * time.Second, Roots: x509.NewCertPool()}
}

// need returns the path of a program, or fails with what to install.
func need(t testing.TB, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path = "/usr/sbin/" + program
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", program, pkg)
		}
	}
	return path
}

// start runs a program until the test ends, and returns its standard output.
func start(t testing.TB, name string, args ...string) *bufio.Reader {
	t.Helper()
	cmd := exec.Command(name, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
	})
	return bufio.NewReader(out)
}

// lines reads the rest of n lines that begin with prefix. What follows is read
// and thrown away.
func lines(t testing.TB, r *bufio.Reader, prefix string, n int) []string {
	t.Helper()
	var seen strings.Builder
	var found []string
	for len(found) < n {
		line, err := r.ReadString('\n')
		seen.WriteString(line)
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			found = append(found, strings.TrimSpace(rest))
		}
		if err != nil {
			t.Fatalf("no line %q in the output: %v\n%s", prefix, err, seen.String())
		}
	}
	go io.Copy(io.Discard, r) // ends with the program
	return found
}

// openssl starts s_server and returns its address.
func openssl(t testing.TB, args ...string) string {
	t.Helper()
	path := need(t, "openssl", "openssl")
	out := start(t, path, append([]string{"s_server", "-accept", "127.0.0.1:0"}, args...)...)
	return lines(t, out, "ACCEPT ", 1)[0]
}

// offer is what one server of testdata/Server.java enables.
type offer struct{ protocols, suites string }

// jdk starts testdata/Server.java with nothing disabled and returns the
// addresses of its servers, one an offer.
func jdk(t testing.TB, store, property string, offers ...offer) []string {
	t.Helper()
	path := need(t, "java", "openjdk-17-jdk-headless")
	security := filepath.Join(t.TempDir(), "security")
	write(t, security, []byte("jdk.tls.disabledAlgorithms=\njdk.tls.legacyAlgorithms=\njdk.certpath.disabledAlgorithms=\n"))
	args := []string{"-Djava.security.properties=" + security, property, "-XX:TieredStopAtLevel=1", filepath.Join("testdata", "Server.java"), store}
	for _, o := range offers {
		args = append(args, o.protocols, o.suites)
	}
	out := start(t, path, args...)
	var addrs []string
	for _, port := range lines(t, out, "", len(offers)) {
		addrs = append(addrs, "127.0.0.1:"+port)
	}
	return addrs
}

// run runs a program to its end and returns what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// keyStore packs certificates and keys for the JDK.
func keyStore(t testing.TB, entries map[string]*authority) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.p12")
	for alias, a := range entries {
		cert, key := a.files(t)
		one := filepath.Join(t.TempDir(), alias+".p12")
		run(t, need(t, "openssl", "openssl"), "pkcs12", "-export", "-in", cert, "-inkey", key, "-name", alias, "-out", one, "-passout", "pass:password")
		if len(entries) == 1 {
			return one
		}
		run(t, need(t, "keytool", "openjdk-17-jdk-headless"), "-importkeystore", "-noprompt", "-srckeystore", one, "-srcstorepass", "password",
			"-destkeystore", path, "-deststorepass", "password", "-deststoretype", "PKCS12")
	}
	return path
}

// goServer serves HTTPS by crypto/tls and returns its address.
func goServer(t testing.TB, config *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler:      http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") }),
		ErrorLog:     nil,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	s.ErrorLog = quiet()
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

func certConfig(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}
