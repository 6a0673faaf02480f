package serve_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/serve"
)

// TestDevLeafIsRenewedWhileServing lets two months pass in a moment.
func TestDevLeafIsRenewedWhileServing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c, err := serve.NewCertificates(context.Background(), serve.TLS{Dev: &serve.Dev{Dir: dir}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		first := c.NotAfter()["localhost"]
		time.Sleep(59 * 24 * time.Hour)
		synctest.Wait()
		if got := c.NotAfter()["localhost"]; !got.Equal(first) {
			t.Errorf("got a new certificate, until %v, while the old one had a third of its life left", got)
		}
		time.Sleep(2 * 24 * time.Hour)
		synctest.Wait()
		if got := c.NotAfter()["localhost"]; !got.After(first) {
			t.Errorf("got a certificate until %v, want it renewed", got)
		}
	})
}

// TestDevLeafThatCannotBeRenewed has its directory spoilt meanwhile: the trouble
// is logged and the old certificate stays.
func TestDevLeafThatCannotBeRenewed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log records
		c, err := serve.NewCertificates(context.Background(), serve.TLS{Dev: &serve.Dev{Dir: dir}}, log.logger())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		first := c.NotAfter()
		overwrite("ca-key.pem", "x")(t, dir)
		time.Sleep(61 * 24 * time.Hour)
		synctest.Wait()
		if diff := cmp.Diff(first, c.NotAfter()); diff != "" {
			t.Errorf("the certificate changed:\n%s", diff)
		}
		if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "ca-key.pem") {
			t.Errorf("got %q, want an error that names the file", log.String())
		}
	})
}

func TestFiles(t *testing.T) {
	t.Parallel()
	conf := serve.TLS{Certificates: []serve.CertFile{{Cert: "c1", Key: "k1"}, {Cert: "c2", Key: "k2"}}, ClientCA: "ca"}
	if diff := cmp.Diff([]string{"c1", "k1", "c2", "k2", "ca"}, conf.Files()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (serve.TLS{Dev: &serve.Dev{Dir: "d"}}).Files(); len(got) != 0 {
		t.Errorf("got %v, want no file to watch", got)
	}
}

// TestFailedListener shuts a listening socket behind its server's back.
func TestFailedListener(t *testing.T) {
	t.Parallel()
	s := start(t, plain(text("")))
	fd := listeningSocket(t, portOf(s, "plain"))
	if err := syscall.Shutdown(fd, syscall.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.Failed():
		if err == nil || !strings.Contains(err.Error(), `"plain"`) {
			t.Errorf("got %v, want an error that names the listener", err)
		}
	case <-time.After(patience):
		t.Error("nobody was told that the listener is dead")
	}
	if err := s.Shutdown(time.Second); err != nil && !strings.Contains(err.Error(), "plain") {
		t.Error(err)
	}
}

// listeningSocket finds the file descriptor that listens on a port.
func listeningSocket(t *testing.T, port int) int {
	t.Helper()
	for fd := range 1 << 14 {
		name, err := syscall.Getsockname(fd)
		if err != nil {
			continue
		}
		in4, ok := name.(*syscall.SockaddrInet4)
		accepts, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
		if ok && err == nil && in4.Port == port && accepts == 1 {
			return fd
		}
	}
	t.Fatal("found no socket that listens on the port")
	return -1
}
