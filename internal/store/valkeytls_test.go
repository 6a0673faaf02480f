package store_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/internal/testpki"
)

func TestValkeyTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "server")
	otherCA, _ := writeCertificate(t, dir, "other")
	plain := freePort(t)
	server := startServer(t, "--tls-port", fmt.Sprint(plain), "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-auth-clients", "no", "--requirepass", "p/w")
	address := fmt.Sprintf("127.0.0.1:%d", plain)

	s := openPatient(t, "rediss://:p%2Fw@"+address+"?ca="+cert)
	if err := consumeOnce(s, "jti"); err != nil {
		t.Errorf("Replace over TLS: got %v, want nil", err)
	}
	for name, url := range map[string]string{
		"system roots": "rediss://:p%2Fw@" + address,
		"another CA":   "rediss://:p%2Fw@" + address + "?ca=" + otherCA,
		"another name": fmt.Sprintf("rediss://:p%%2Fw@localhost:%d?ca=%s", plain, cert),
		"plain text":   "redis://:p%2Fw@" + address,
		"TLS to plain": "rediss://:p%2Fw@" + server.Address() + "?ca=" + cert,
	} {
		if err := consumeOnce(openURL(t, url), "jti2"); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: got %v, want an error of the connection", name, err)
		}
	}
}

// writeCertificate makes a self-signed certificate for 127.0.0.1.
func writeCertificate(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	// Of both kinds: servers of a Cluster are each other's clients.
	own := testpki.Server("127.0.0.1")
	own.Subject.CommonName, own.IsCA, own.BasicConstraintsValid = name, true, true
	own.KeyUsage |= x509.KeyUsageCertSign
	own.ExtKeyUsage = append(own.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	id, err := testpki.Issue(own, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	if err := id.Write(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}
