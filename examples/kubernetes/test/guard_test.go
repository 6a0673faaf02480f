package test_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the guard.
var program string

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "wiretight-kubernetes-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is a temporary one
	program = filepath.Join(dir, "wiretight")
	if out, err := exec.Command("go", "-C", "../../..", "build", "-o", program, "./cmd/wiretight").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the guard: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// certificate writes a pair as a Secret of type kubernetes.io/tls mounts it.
func certificate(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
		"-subj", "/CN=api.example.com", "-addext", "subjectAltName=DNS:api.example.com",
		"-keyout", filepath.Join(dir, "tls.key"), "-out", filepath.Join(dir, "tls.crt")).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v (testdata/install-peers installs what the tests need)\n%s", err, out)
	}
}
