package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
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
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
