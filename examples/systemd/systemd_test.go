// Package systemd_test holds the service of this folder to what it promises.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/testpki"
)

// worst is the exposure that systemd-analyze may give the service at most, of
// 10. What is left is the network, which is what it is for.
const worst = 2.0

// unit is the service with its program at another place.
func unit(t *testing.T, program string) string {
	t.Helper()
	text, err := os.ReadFile("wiretight.service")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "wiretight.service")
	text = []byte(strings.ReplaceAll(string(text), "/usr/local/bin/wiretight", program))
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func analyze(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze %s: %v (sudo apt-get install systemd)\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestVerify has systemd read the unit: no unknown setting, no wrong value.
func TestVerify(t *testing.T) {
	t.Parallel()
	if out := analyze(t, "verify", unit(t, "/bin/true")); strings.TrimSpace(out) != "" {
		t.Errorf("systemd complains:\n%s", out)
	}
}

func TestExposure(t *testing.T) {
	t.Parallel()
	out := analyze(t, "security", "--offline=true", "--no-pager", unit(t, "/bin/true"))
	m := regexp.MustCompile(`Overall exposure level for wiretight.service: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("got no exposure level in\n%s", out)
	}
	if got, err := strconv.ParseFloat(m[1], 64); err != nil || got > worst {
		t.Errorf("got exposure %s, want at most %v:\n%s", m[1], worst, out)
	}
}

// TestConfiguration checks the example's configuration, with credentials that lie
// elsewhere, and that the service loads those that it names.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "wiretight")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/wiretight").CombinedOutput(); err != nil {
		t.Fatalf("build the guard: %v\n%s", err, out)
	}
	text, err := os.ReadFile("wiretight.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const credentials = "/run/credentials/wiretight.service"
	service, err := os.ReadFile("wiretight.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(credentials+`/(\S+)`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(string(service), "LoadCredential="+m[1]+":") {
			t.Errorf("wiretight.yaml reads the credential %s, which the service does not load", m[1])
		}
	}
	server, err := testpki.SelfSigned("api.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Write(filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "wiretight.yaml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(string(text), credentials, dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "config", "check", "-c", config).CombinedOutput(); err != nil {
		t.Errorf("config check: %v\n%s", err, out)
	}
}
