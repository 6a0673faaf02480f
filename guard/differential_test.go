package guard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/guard"
)

// peer is a real server on a socket of its own that says how it read a path.
type peer struct {
	socket string
	// read takes the server's answer apart: the path that it acts on, and the
	// path as it came.
	read func(t *testing.T, body string) (path, raw string)
}

// asgiApp answers with what a framework would route by.
const asgiApp = `
import json

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = json.dumps({"path": scope["path"], "raw": scope["raw_path"].decode("latin-1")}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
`

func startUvicorn(t *testing.T) peer {
	t.Helper()
	dir := shortDir(t)
	if err := os.WriteFile(filepath.Join(dir, "echo_path.py"), []byte(asgiApp), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	start(t, socket, "python3-uvicorn", "/usr/bin/python3", "-m", "uvicorn", "--app-dir", dir, "--uds", socket, "--log-level", "warning", "echo_path:app")
	return peer{socket, func(t *testing.T, body string) (string, string) {
		var got struct{ Path, Raw string }
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("uvicorn answered %q: %v", body, err)
		}
		return got.Path, got.Raw
	}}
}

func startNginx(t *testing.T) peer {
	t.Helper()
	dir := shortDir(t)
	socket := filepath.Join(dir, "s")
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  server { listen unix:%[2]s; location / { default_type text/plain; return 200 "$uri\n$request_uri"; } }
}
`, dir, socket)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, socket, "nginx", "/usr/sbin/nginx", "-e", "stderr", "-p", dir, "-c", file)
	return peer{socket, func(t *testing.T, body string) (string, string) {
		path, raw, ok := strings.Cut(body, "\n")
		if !ok {
			t.Fatalf("nginx answered %q", body)
		}
		raw, _, _ = strings.Cut(raw, "?")
		return path, raw
	}}
}

// shortDir is a temporary directory with a name that a socket's fits behind.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// start runs a program until the test ends, and waits for its socket.
func start(t *testing.T, socket, debian, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; install Debian's %s", err, debian)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // killed below
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	eventually(t, program, func() bool {
		select {
		case <-ended:
			t.Fatalf("%s %v ended: %s; install Debian's %s", program, args, said.String(), debian)
		default:
		}
		c, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
}

// TestPathsBeforeServers sends paths through the guard to real servers: what
// the guard matched must be what they act on, and what it forwarded what they
// got. Paths that the guard refuses do not count.
func TestPathsBeforeServers(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) peer{"uvicorn": startUvicorn, "nginx": startNginx} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			f := newFixture(t, func(c *guard.Config) {
				c.Upstreams[0].URL = "unix://" + server.socket
				c.Routes = []guard.Route{{Path: "/*", Public: true}}
			})
			matcher := newInProcess(t, nil)
			random := rand.New(rand.NewPCG(1, uint64(len(name))))
			passed := 0
			for range 3000 {
				target := randomPath(random)
				matched, _ := matcher.ask(secureRequest("GET", target))
				if matched == nil {
					continue
				}
				passed++
				got := f.get(target)
				if got.status != 200 {
					t.Fatalf("%q: got %v, want 200", target, got)
				}
				path, raw := server.read(t, got.body)
				if path != matched.URL.Path {
					t.Errorf("%q: the guard matched %q, %s acts on %q", target, matched.URL.Path, name, path)
				}
				if raw != matched.URL.EscapedPath() {
					t.Errorf("%q: the guard forwards %q, %s got %q", target, matched.URL.EscapedPath(), name, raw)
				}
			}
			if passed < 300 {
				t.Errorf("only %d of the paths passed, too few to compare", passed)
			}
			t.Logf("%d paths passed and were compared", passed)
		})
	}
}

// pieces are what paths are put together from: mostly what servers disagree
// about, each next to harmless text often enough to pass.
var pieces = []string{
	"/", "/", "/", "/a", "/b", "/admin", "a", "B", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "%25", "%252e", "%",
	"%20", "+", "%2b", "%3f", "%23", "!", "$", "&", "'", "(", ")", "*", ",", "=", ":", "@", "~", "%7e", "%41", "%61", "ä", "%c3%a4",
	"%e2%82%ac", "%f0%9f%98%80", "%c0%af", "|", "\"", "<", ">", "^", "`", "{", "}", "[", "]", "%7c", "%00", "%0a", "%ef%bc%8f", "%e2%80%a4",
}

func randomPath(random *rand.Rand) string {
	path := "/"
	for range random.IntN(7) {
		path += pieces[random.IntN(len(pieces))]
	}
	if random.IntN(4) == 0 {
		path += "?x=/../y;%2f"
	}
	return path
}
