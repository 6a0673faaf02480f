package serve_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/serve"
)

// devPool is the CA that users are told to trust.
func devPool(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(data) {
		t.Fatal("ca.pem holds no certificate")
	}
	return p
}

// snapshot is the content of every file in dir.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	return out
}

func TestDevCA(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	dev := &serve.Dev{Dir: dir, Hosts: []string{"App.test:8443", "10.1.2.3", "[fd00::1]:443", "*.wild.test", "localhost"}}
	c := certificates(t, serve.TLS{Dev: dev})
	addr := start(t, secure(c, text("hello"))).Addr("tls").String()
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "app.test", "10.1.2.3", "fd00::1", "x.wild.test"} {
		if _, _, err := ask(addr, &tls.Config{RootCAs: devPool(t, dir), ServerName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	want := []string{"10.1.2.3", "127.0.0.1", "::1", "app.test", "fd00::1", "localhost"}
	if diff := cmp.Diff(want, c.Hosts()); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	for name, mode := range map[string]os.FileMode{"ca-key.pem": 0o600, "dev-leaf.pem": 0o600, "ca.pem": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: got %v and error %v, want mode %v", name, info, err, mode)
		}
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "ca.pem")); strings.Contains(string(data), "PRIVATE KEY") {
		t.Error("ca.pem, which is given away, holds a private key")
	}
	if left := time.Until(c.NotAfter()["localhost"]); left > 90*24*time.Hour || left < 80*24*time.Hour {
		t.Errorf("got a certificate for %v, want some 90 days at most", left)
	}

	before := snapshot(t, dir)
	certificates(t, serve.TLS{Dev: dev})
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Errorf("a second start changed the directory:\n%s", diff)
	}
}

func TestDevLeafRenewal(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for _, tc := range []struct {
		name    string
		after   time.Duration
		hosts   []string
		renewed bool
	}{
		{"young", 10 * day, []string{"app.test"}, false},
		{"two thirds, nearly", 59 * day, []string{"app.test"}, false},
		{"two thirds", 61 * day, []string{"app.test"}, true},
		{"expired", 200 * day, []string{"app.test"}, true},
		{"host gone", 0, nil, true},
		{"host below", 0, []string{"app.test", "x.app.test"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			now := &clock{now: time.Now()}
			certificates(t, serve.TLS{Dev: &serve.Dev{Dir: dir, Hosts: []string{"app.test"}}, Now: now.Now})
			before := snapshot(t, dir)
			now.pass(tc.after)
			c := certificates(t, serve.TLS{Dev: &serve.Dev{Dir: dir, Hosts: tc.hosts}, Now: now.Now})
			after := snapshot(t, dir)
			if got := before["dev-leaf.pem"] != after["dev-leaf.pem"]; got != tc.renewed {
				t.Errorf("got renewed %v, want %v", got, tc.renewed)
			}
			if before["ca.pem"] != after["ca.pem"] || before["ca-key.pem"] != after["ca-key.pem"] {
				t.Error("the CA was made anew")
			}
			if until := c.NotAfter()["localhost"]; until.Before(now.Now()) {
				t.Errorf("got a certificate that ended %v", until)
			}
		})
	}
}

func TestDevDirectoryIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	long := 4 * 365 * 24 * time.Hour
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		after time.Duration
		hosts []string
		want  []string
	}{
		{"key gone", remove("ca-key.pem"), 0, nil, []string{"half there", "ca-key.pem"}},
		{"key empty", overwrite("ca-key.pem", ""), 0, nil, []string{"ca-key.pem", "no PEM block"}},
		{"key cut off", cutShort("ca-key.pem"), 0, nil, []string{"ca-key.pem"}},
		{"key without certificate", keyOnly, 0, nil, []string{"ca-key.pem", "no certificate"}},
		{"another's certificate", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "ca.pem"), pemCert(newCA(t, "x").cert.Raw))
		}, 0, nil, []string{"ca.pem", "not the certificate of the key"}},
		{"certificate garbled", overwrite("ca.pem", "x"), 0, nil, []string{"ca.pem", "no PEM block"}},
		{"leaf garbled", overwrite("dev-leaf.pem", "x"), 0, nil, []string{"dev-leaf.pem", "made anew"}},
		{"CA expired", func(*testing.T, string) {}, long, nil, []string{"expired", "remove ca-key.pem"}},
		{"a host it may not vouch for", func(*testing.T, string) {}, 0, []string{"bank.test", "8.8.8.8"}, []string{"bank.test, 8.8.8.8", "remove ca-key.pem"}},
		{"key is a directory", func(t *testing.T, dir string) {
			remove("ca-key.pem")(t, dir)
			if err := os.Mkdir(filepath.Join(dir, "ca-key.pem"), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "ca-key.pem", "x"), nil)
		}, 0, nil, []string{"ca-key.pem", "is a directory"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			now := &clock{now: time.Now()}
			certificates(t, serve.TLS{Dev: &serve.Dev{Dir: dir}, Now: now.Now})
			tc.spoil(t, dir)
			now.pass(tc.after)
			before := listing(t, dir)
			c, err := serve.NewCertificates(t.Context(), serve.TLS{Dev: &serve.Dev{Dir: dir, Hosts: tc.hosts}, Now: now.Now}, nil)
			if err == nil {
				c.Close()
				t.Fatal("got no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if diff := cmp.Diff(before, listing(t, dir)); diff != "" {
				t.Errorf("the directory was changed:\n%s", diff)
			}
		})
	}
}

func TestDevPublicCopyIsRestored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificates(t, serve.TLS{Dev: &serve.Dev{Dir: dir}})
	before := snapshot(t, dir)
	remove("ca.pem")(t, dir)
	certificates(t, serve.TLS{Dev: &serve.Dev{Dir: dir}})
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// listing is each file's name, size and time of change.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(e.Name(), info.Size(), info.ModTime()))
	}
	return out
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func overwrite(name, with string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { write(t, filepath.Join(dir, name), []byte(with)) }
}

func cutShort(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), data[:len(data)/2])
	}
}

func keyOnly(t *testing.T, dir string) {
	data, err := os.ReadFile(filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, _ := pem.Decode(data)
	write(t, filepath.Join(dir, "ca-key.pem"), pem.EncodeToMemory(key))
}

func TestDevStartsAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	var wg sync.WaitGroup
	begin := make(chan struct{})
	made := make(chan *serve.Certificates, 16)
	for range 16 {
		wg.Go(func() {
			<-begin
			c, err := serve.NewCertificates(context.Background(), serve.TLS{Dev: &serve.Dev{Dir: dir}}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			made <- c
		})
	}
	close(begin)
	wg.Wait()
	close(made)
	for c := range made {
		addr := start(t, secure(c, text(""))).Addr("tls").String()
		if _, _, err := ask(addr, &tls.Config{RootCAs: devPool(t, dir), ServerName: "localhost"}); err != nil {
			t.Errorf("the certificate is not of the CA on disk: %v", err)
		}
		c.Close()
	}
	if got := len(snapshot(t, dir)); got != 3 {
		t.Errorf("got %d files, want 3", got)
	}
}

// TestDevLeafIsReplacedMeanwhile has two processes with other hosts make the
// certificate anew again and again while a third loads it.
func TestDevLeafIsReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	load := func(hosts ...string) {
		c, err := serve.NewCertificates(context.Background(), serve.TLS{Dev: &serve.Dev{Dir: dir, Hosts: hosts}}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	}
	load("a.test", "b.test") // the CA may vouch for both
	var all sync.WaitGroup
	for _, hosts := range [][]string{{"a.test"}, {"b.test"}, {"a.test", "b.test"}} {
		all.Go(func() {
			for range 60 {
				load(hosts...)
			}
		})
	}
	all.Wait()
}

// stolen is what a thief of the CA's key makes of it.
func stolen(t *testing.T, dir string, s spec) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca-key.pem"), filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.key = newKey(t, 0)
	leaf := sign(t, s, pair.Leaf, pair.PrivateKey.(*keyOf))
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: s.key, Leaf: leaf}
}

func TestStolenDevKeyIsOfLittleUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificates(t, serve.TLS{Dev: &serve.Dev{Dir: dir, Hosts: []string{"app.test"}}})
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, tc := range []struct {
		name, host string
		s          spec
		ok         bool
	}{
		{"our host", "app.test", spec{names: []string{"app.test"}, usage: server}, true},
		{"another host", "bank.test", spec{names: []string{"bank.test"}, usage: server}, false},
		{"a suffix", "evilapp.test", spec{names: []string{"evilapp.test"}, usage: server}, false},
		{"another address", "192.0.2.1", spec{names: []string{"192.0.2.1"}, usage: server}, false},
		{"both", "app.test", spec{names: []string{"app.test", "bank.test"}, usage: server}, false},
		{"a client", "", spec{names: []string{"app.test"}, usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, false},
	} {
		leaf := stolen(t, dir, tc.s)
		_, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: devPool(t, dir), DNSName: tc.host, KeyUsages: tc.s.usage})
		if (err == nil) != tc.ok {
			t.Errorf("%s: got error %v, want good %v", tc.name, err, tc.ok)
		}
	}
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca-key.pem"), filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := *ca.Leaf
	tmpl.PermittedDNSDomains, tmpl.PermittedIPRanges, tmpl.SubjectKeyId = nil, nil, nil
	key := newKey(t, 0)
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	below, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	leaf := testCA{below, key}.issue(t, spec{names: []string{"app.test"}, usage: server})
	between := x509.NewCertPool()
	between.AddCert(below)
	if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: devPool(t, dir), Intermediates: between, DNSName: "app.test"}); err == nil {
		t.Error("got a good chain through a second CA, want the path length refused")
	}
}

// TestDevCAInCurl asks another TLS library whether it believes what we made.
func TestDevCAInCurl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := certificates(t, serve.TLS{Dev: &serve.Dev{Dir: dir, Hosts: []string{"app.test"}}})
	good := start(t, secure(c, text("hello"))).Addr("tls").(*net.TCPAddr).Port

	thief := stolen(t, dir, spec{names: []string{"bank.test"}, usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	files := t.TempDir()
	write(t, files+"/c.pem", pemCert(thief.Certificate[0]))
	write(t, files+"/k.pem", pemKey(t, thief.PrivateKey.(*keyOf)))
	bad := start(t, secure(certificates(t, serve.TLS{Certificates: []serve.CertFile{{Cert: files + "/c.pem", Key: files + "/k.pem"}}}), text("evil"))).Addr("tls").(*net.TCPAddr).Port

	for _, tc := range []struct {
		url  string
		want string
	}{
		{fmt.Sprintf("https://localhost:%d/", good), "hello"},
		{fmt.Sprintf("https://127.0.0.1:%d/", good), "hello"},
		{fmt.Sprintf("https://app.test:%d/", good), "hello"},
		{fmt.Sprintf("https://bank.test:%d/", good), ""},
		{fmt.Sprintf("https://bank.test:%d/", bad), ""},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		out, err := exec.CommandContext(ctx, "curl", "-sS", "--noproxy", "*", "--cacert", filepath.Join(dir, "ca.pem"),
			"--resolve", fmt.Sprintf("app.test:%d:127.0.0.1", good),
			"--resolve", fmt.Sprintf("bank.test:%d:127.0.0.1", good),
			"--resolve", fmt.Sprintf("bank.test:%d:127.0.0.1", bad), tc.url).CombinedOutput()
		cancel()
		if got := string(out); (tc.want != "") != (err == nil && got == tc.want) {
			t.Errorf("%s: got %q and error %v (Debian package curl), want %q", tc.url, got, err, tc.want)
		}
	}
}

func TestTrustHint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hint := serve.TrustHint(dir, "https://api.test:9443")
	for _, want := range []string{filepath.Join(dir, "ca.pem"), "update-ca-certificates", "security add-trusted-cert", "--cacert", " https://api.test:9443/", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} {
		if !strings.Contains(hint, want) {
			t.Errorf("got no %q in the hint:\n%s", want, hint)
		}
	}
}
