package serve_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/wiretight/wiretight/internal/port"
	"github.com/wiretight/wiretight/internal/serve"
)

// authority is a real ACME server on loopback. It must know our ports before it
// starts, and we its URL before we do, so its port is opened first.
type authority struct {
	url    string
	trust  *x509.CertPool // for the directory's own certificate
	issued *x509.CertPool // for what it issues
	server *httptest.Server
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	own := newCA(t, "directory")
	s := httptest.NewUnstartedServer(nil)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{own.issue(t, spec{names: []string{"127.0.0.1"}})}}
	t.Cleanup(s.Close)
	return &authority{
		url:   "https://" + s.Listener.Addr().String() + wfe.DirectoryPath,
		trust: own.pool(), server: s,
	}
}

// open starts the authority, which finds every host at 127.0.0.1 and these ports.
func (a *authority) open(t *testing.T, httpPort, tlsPort int) {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	checker := va.New(quiet, httpPort, tlsPort, false, nameServer(t), store)
	front := wfe.New(quiet, store, checker, issuer, []string{"pebble.test"}, false, false, 1, 1)
	a.server.Config.Handler = front.Handler()
	a.server.Config.ErrorLog = quiet
	a.server.StartTLS()
	root, err := x509.ParseCertificate(issuer.GetRootCert(0).DER)
	if err != nil {
		t.Fatal(err)
	}
	a.issued = x509.NewCertPool()
	a.issued.AddCert(root)
}

// nameServer answers every A question with 127.0.0.1, over TCP.
func nameServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				for answerName(c) == nil {
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func answerName(c net.Conn) error {
	var size uint16
	if err := binary.Read(c, binary.BigEndian, &size); err != nil {
		return err
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(c, raw); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil {
		return err
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	out, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
	return err
}

// portOf is the port of a listener.
func portOf(s *serve.Server, name string) int { return s.Addr(name).(*net.TCPAddr).Port }

// closedPort is one on which nobody listens.
func closedPort(t *testing.T) int {
	t.Helper()
	_, number, _ := net.SplitHostPort(port.Keep(t))
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// waitFor waits until host has a certificate.
func waitFor(t *testing.T, c *serve.Certificates, host string) {
	t.Helper()
	eventually(t, "there is a certificate for "+host, func() bool { return !c.NotAfter()[host].IsZero() })
}

func TestACMEByTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	clients := newCA(t, "clients")
	storage := t.TempDir()
	conf := serve.TLS{
		ACME: &serve.ACME{Directory: a.url, CA: a.trust, Storage: storage, Hosts: []string{"A.test", "b.test"}},
		// The CA shows no certificate of ours, and must get its answer all the same.
		ClientCA: clients.file(t), RequireClientCert: true,
	}
	c := certificates(t, conf)
	s := start(t, secure(c, text("hello")))
	addr := s.Addr("tls").String()
	cert := clients.issue(t, spec{commonID: "client"})
	config := func(host string) *tls.Config {
		return &tls.Config{RootCAs: a.issued, ServerName: host, Certificates: []tls.Certificate{cert}}
	}

	if _, _, err := ask(addr, config("a.test")); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("got %v before there is a certificate, want unrecognized name", err)
	}
	spy := newSpy(t, addr)
	a.open(t, closedPort(t), spy.port)
	if err := c.Manage(s.Addr("tls"), nil); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, "a.test")
	waitFor(t, c, "b.test")

	for _, host := range []string{"a.test", "b.test", "A.TEST"} {
		if _, body, err := ask(addr, config(host)); err != nil || body != "hello" {
			t.Errorf("%s: got %q and error %v, want hello", host, body, err)
		}
	}
	for _, host := range []string{"strange.test", "x.a.test", "test"} {
		if _, _, err := ask(addr, config(host)); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: got %v, want unrecognized name", host, err)
		}
	}
	nameless := config("")
	nameless.InsecureSkipVerify = true
	if state, _, err := ask(addr, nameless); err != nil || state.PeerCertificates[0].DNSNames[0] != "a.test" {
		t.Errorf("no SNI: got %v and error %v, want the first host's certificate", state.PeerCertificates, err)
	}
	if spy.shakes.Load() == 0 || spy.answers.Load() != 0 {
		t.Errorf("got %d challenge handshakes by a stranger and %d answers to requests on them, want some and none",
			spy.shakes.Load(), spy.answers.Load())
	}
	if diff := strings.Join(c.Hosts(), " "); diff != "a.test b.test" {
		t.Errorf("got hosts %q, want a.test b.test", diff)
	}

	t.Run("strangers cannot use the challenge's protocol", func(t *testing.T) {
		challenge := config("a.test")
		challenge.NextProtos = []string{"acme-tls/1"}
		if _, body, err := ask(addr, challenge); err == nil {
			t.Errorf("got %q, want the handshake refused", body)
		}
	})
	t.Run("a restart finds the certificate", func(t *testing.T) {
		again := certificates(t, conf)
		s := start(t, secure(again, text("again")))
		if _, body, err := ask(s.Addr("tls").String(), config("b.test")); err != nil || body != "again" {
			t.Errorf("got %q and error %v, want again", body, err)
		}
	})
	t.Run("reload changes the hosts", func(t *testing.T) {
		other := conf
		other.ACME = &serve.ACME{Directory: a.url, CA: a.trust, Storage: storage, Hosts: []string{"b.test", "c.test"}}
		if err := c.Reload(other); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ask(addr, config("b.test")); err != nil {
			t.Errorf("b.test: %v", err)
		}
		if _, _, err := ask(addr, config("a.test")); err == nil {
			t.Error("got a handshake for a host that is gone")
		}
		waitFor(t, c, "c.test")
		if _, _, err := ask(addr, config("c.test")); err != nil {
			t.Errorf("c.test: %v", err)
		}
	})
}

// spy stands between the CA and us. Whenever the CA comes, it first tries, while
// the challenge is open, to get a request answered over the challenge's protocol.
type spy struct {
	port            int
	shakes, answers atomic.Int64
}

func newSpy(t *testing.T, addr string) *spy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	s := &spy{port: ln.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go s.pass(c, addr)
		}
	}()
	return s
}

func (s *spy) pass(c net.Conn, addr string) {
	defer c.Close()
	for _, host := range []string{"a.test", "b.test", "c.test"} {
		s.try(addr, host)
	}
	to, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return
	}
	defer to.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_ = to.SetDeadline(time.Now().Add(patience))
	go func() {
		_, _ = io.Copy(to, c)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, to)
}

func (s *spy) try(addr, host string) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{
		InsecureSkipVerify: true, ServerName: host, NextProtos: []string{"acme-tls/1"},
	}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	s.shakes.Add(1)
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
		s.answers.Add(1)
	}
}

func TestACMEByHTTP(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	// Another host than in other tests: certmagic keeps open challenges by host
	// for the whole process.
	c := certificates(t, serve.TLS{ACME: &serve.ACME{Directory: a.url, CA: a.trust, Storage: t.TempDir(), Email: "Ops@h.test", Hosts: []string{"h.test"}}})
	conf := secure(c, text("hello"))
	conf.Listeners = append(conf.Listeners, serve.Listener{
		Name: "plain", Addr: "127.0.0.1:0", Handler: c.ACMEHandler(http.NotFoundHandler()),
	})
	s := start(t, conf)
	// The CA cannot reach the TLS listener, so that HTTP must do.
	a.open(t, portOf(s, "plain"), closedPort(t))
	if err := c.Manage(s.Addr("tls"), s.Addr("plain")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, "h.test")
	if _, body, err := ask(s.Addr("tls").String(), &tls.Config{RootCAs: a.issued, ServerName: "h.test"}); err != nil || body != "hello" {
		t.Errorf("got %q and error %v, want hello", body, err)
	}
	res, err := client(t, nil, false).Get("http://" + s.Addr("plain").String() + "/.well-known/acme-challenge/guess")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("got %d for a challenge that is not open, want the next handler's 404", res.StatusCode)
	}
}

func TestACMEWhileDirectoryIsDown(t *testing.T) {
	t.Parallel()
	var log records
	c, err := serve.NewCertificates(context.Background(), serve.TLS{ACME: &serve.ACME{
		Directory: fmt.Sprintf("https://127.0.0.1:%d/dir", closedPort(t)), Storage: t.TempDir(), Hosts: []string{"d.test"},
	}}, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, secure(c, text("hello")))
	if err := c.Manage(s.Addr("tls"), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the trouble is logged", func() bool { return strings.Contains(log.String(), "connection refused") })
	if _, _, err := ask(s.Addr("tls").String(), &tls.Config{InsecureSkipVerify: true, ServerName: "d.test"}); err == nil {
		t.Error("got a handshake without a certificate")
	}
	if got := c.NotAfter(); len(got) != 0 {
		t.Errorf("got %v, want no certificate", got)
	}
	closed := make(chan struct{})
	go func() { c.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("Close hangs while the directory is down")
	}
}

func TestACMEDamagedStorage(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/storage"
	write(t, file, []byte("not a directory"))
	_, err := serve.NewCertificates(t.Context(), serve.TLS{ACME: &serve.ACME{Storage: file, Hosts: []string{"a.test"}}}, nil)
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names %s", err, file)
	}
}
