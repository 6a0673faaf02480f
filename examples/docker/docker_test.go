// Package docker_test runs what the image would hold: no engine is needed, only
// the build's own command and a folder that stands for the image.
package docker_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"debug/elf"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/wiretight/wiretight/internal/testpki"
)

// nobody is the user and group of the image.
const nobody = 65532

// instructions are the Dockerfile's lines without comments, continued ones joined.
func instructions(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAll(text, nil)
	joined := strings.ReplaceAll(string(text), "\\\n", " ")
	return strings.FieldsFunc(joined, func(r rune) bool { return r == '\n' })
}

// TestLastStage reads what the image is made of in the end.
func TestLastStage(t *testing.T) {
	t.Parallel()
	var last []string
	for _, line := range instructions(t) {
		if strings.HasPrefix(line, "FROM ") {
			last = nil
		}
		last = append(last, line)
	}
	stage := strings.Join(last, "\n")
	for _, want := range []string{"FROM scratch\n", fmt.Sprintf("\nUSER %d:%d\n", nobody, nobody), "\nSTOPSIGNAL SIGTERM\n", "ca-certificates.crt"} {
		if !strings.Contains(stage, want) {
			t.Errorf("the last stage lacks %q:\n%s", want, stage)
		}
	}
	if strings.Contains(stage, "\nRUN ") {
		t.Errorf("an image from scratch has nothing to run:\n%s", stage)
	}
}

// build runs the Dockerfile's own build command for a program at path.
func build(t *testing.T, path string) {
	t.Helper()
	for _, line := range instructions(t) {
		command, ok := strings.CutPrefix(line, "RUN ")
		if !ok || !strings.Contains(command, "go build") {
			continue
		}
		cmd := exec.Command("sh", "-ec", strings.ReplaceAll(command, "/out/wiretight", path))
		cmd.Dir, cmd.Env = "../..", append(os.Environ(), "VERSION=v9.8.7")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return
	}
	t.Fatal("the Dockerfile builds nothing")
}

// TestImage starts the program where there is nothing else: no libraries, no
// shell, no /proc, no /tmp, as a user who owns only the folder of its state.
func TestImage(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	program := filepath.Join(root, "wiretight")
	build(t, program)
	binary, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	if libraries, err := binary.ImportedLibraries(); err == nil && len(libraries) > 0 || binary.Section(".interp") != nil {
		t.Errorf("the program is not static: it needs %v", libraries)
	}

	roots := furnish(t, root)
	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/wiretight", args...)
		cmd.Dir, cmd.Env = "/var/lib/wiretight", []string{}
		cmd.SysProcAttr = confined(root)
		return cmd
	}
	if out, err := inside("version").CombinedOutput(); err != nil || !strings.Contains(string(out), "v9.8.7") {
		t.Fatalf("version: got %q, %v, want v9.8.7", out, err)
	}

	guard := inside("guard", "-c", "/etc/wiretight/wiretight.yaml")
	stderr, err := guard.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = guard.Process.Kill() // it may have ended
		<-ended
	})
	ready, talk := make(chan string, 1), make(chan string, 1)
	go func() {
		defer close(ended)
		var said strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if at, ok := strings.CutPrefix(lines.Text(), "wiretight: ready "); ok {
				ready <- at
			}
		}
		talk <- said.String()
	}()
	select {
	case at := <-ready:
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "api.example.com"}}}
		request, _ := http.NewRequest(http.MethodGet, at+"/items", nil)
		request.Host = "api.example.com"
		res, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("got %d without a token, want 401", res.StatusCode)
		}
	case said := <-talk:
		t.Fatalf("the guard ended:\n%s", said)
	case <-time.After(time.Minute):
		t.Fatal("the guard is not ready after a minute")
	}
	if err := guard.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	if err := guard.Wait(); err != nil {
		t.Errorf("got %v after SIGTERM, want exit 0", err)
	}
}

// confined makes root the whole world of a process without rights.
func confined(root string) *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return &syscall.SysProcAttr{
		Chroot: root, Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}},
	}
}

const configuration = `
listen: "127.0.0.1:0"
admin: "127.0.0.1:0"
hosts: [api.example.com]
tls: {certificates: [{cert: fullchain.pem, key: privkey.pem}]}
upstreams: [{name: app, url: "http://127.0.0.1:9"}]
tokens: {issuers: [{issuer: "https://id.example.com/", audiences: [api.example.com], algorithms: [ES256], jwks_file: jwks.json}]}
store: "bolt:///var/lib/wiretight/state.db"
`

const keys = `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`

// furnish puts into root what the image and its mounts would hold, and returns
// who trusts the certificate there.
func furnish(t *testing.T, root string) *x509.CertPool {
	t.Helper()
	server, err := testpki.SelfSigned("api.example.com")
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(root, "var/lib/wiretight")
	if err := os.MkdirAll(state, 0o755); err != nil {
		t.Fatal(err)
	}
	etc := filepath.Join(root, "etc/wiretight")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := server.Write(filepath.Join(etc, "fullchain.pem"), filepath.Join(etc, "privkey.pem")); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"wiretight.yaml": configuration, "jwks.json": keys} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"wiretight.yaml", "jwks.json", "fullchain.pem", "privkey.pem"} {
		own(t, filepath.Join(etc, name))
	}
	if err := os.Chmod(state, 0o700); err != nil {
		t.Fatal(err)
	}
	own(t, state)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	return server.Pool()
}

// own gives a path to the image's user. Who is not root is that user already.
func own(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

// TestCompose reads the services: none may write, gain rights or be root, and
// Redis must never evict, nor be reached from outside.
func TestCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			SecurityOpt []string `yaml:"security_opt"`
			User        string
			Ports       []string
			Networks    []string
			Command     []string
		}
		Networks map[string]struct{ Internal bool }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) != 3 {
		t.Errorf("got %d services, want two guards and redis", len(file.Services))
	}
	for name, s := range file.Services {
		if !s.ReadOnly || strings.Join(s.CapDrop, "") != "ALL" || strings.Join(s.SecurityOpt, "") != "no-new-privileges:true" || s.User == "" || strings.HasPrefix(s.User, "0") {
			t.Errorf("%s: got %+v, want it read-only, without rights and not root", name, s)
		}
	}
	redis := file.Services["redis"]
	if command := strings.Join(redis.Command, " "); !strings.Contains(command, "--maxmemory-policy noeviction") || !strings.Contains(command, "--appendonly yes") {
		t.Errorf("got redis %q, want noeviction and appendonly", command)
	}
	if len(redis.Ports) > 0 || strings.Join(redis.Networks, " ") != "store" || !file.Networks["store"].Internal || !file.Networks["app"].Internal {
		t.Errorf("got ports %v, networks %v, %+v: redis and the application must not be reached from outside", redis.Ports, redis.Networks, file.Networks)
	}
}
