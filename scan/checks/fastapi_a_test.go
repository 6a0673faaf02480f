package checks

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/port"
	"github.com/wiretight/wiretight/scan"
)

// weakFastAPI is a service with all the flaws of these areas that code in it can
// mend. TOKEN stands for the one that it takes.
const weakFastAPI = `
from fastapi import FastAPI, Header, HTTPException, WebSocket
from fastapi.responses import RedirectResponse

app = FastAPI(servers=[{"url": "http://api.example.com"}])


def need(authorization):
    if authorization != "Bearer TOKEN":
        raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"})


@app.get("/")
def root():
    return {"hello": "world"}


@app.get("/items")
def items(authorization: str = Header(None)):
    need(authorization)
    return {"items": [1, 2, 3]}


@app.get("/export")
def export(authorization: str = Header(None)):
    need(authorization)
    return RedirectResponse("https://files.api.test/?access_token=" + authorization[7:], 302)


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    await socket.close()
`

const shortHSTS = `
@app.middleware("http")
async def short(request, call_next):
    response = await call_next(request)
    response.headers["Strict-Transport-Security"] = "max-age=300"
    return response
`

// serveAll runs the applications that stand on its input and prints their ports.
const serveAll = `
import asyncio, json, socket, sys
import uvicorn

async def main():
    servers = []
    for source in json.load(sys.stdin):
        names = {"__name__": "pasted"}
        exec(compile(source, "app", "exec"), names)
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(names["app"], log_level="error"))
        server.install_signal_handlers = lambda: None
        servers.append(server.serve(sockets=[s]))
        print(s.getsockname()[1], flush=True)
    await asyncio.gather(*servers)

asyncio.run(main())
`

// pasted returns the entry's code for FastAPI.
func pasted(t testing.TB, id string) string {
	t.Helper()
	e, ok := catalog.Lookup(id)
	if code := e.Fix["FastAPI"].Code; ok && code != "" {
		return code
	}
	t.Fatalf("%s has no code for FastAPI", id)
	return ""
}

// python starts a program of python3 until the test ends.
func python(t testing.TB, dir, program string, input []byte) *bufio.Reader {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import fastapi, uvicorn, websockets").Run(); err != nil {
		t.Fatalf("FastAPI is missing: apt-get install python3-fastapi python3-uvicorn python3-websockets (%v)", err)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", program)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(input)
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
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
	})
	return bufio.NewReader(out)
}

// applications serves each source and returns the ports.
func applications(t testing.TB, sources []string) []string {
	t.Helper()
	input, err := json.Marshal(sources)
	if err != nil {
		t.Fatal(err)
	}
	out := python(t, t.TempDir(), serveAll, input)
	var ports []string
	for range sources {
		line, err := out.ReadString('\n')
		port := strings.TrimSpace(line)
		if _, bad := strconv.Atoi(port); err != nil || bad != nil {
			rest, _ := io.ReadAll(out)
			t.Fatalf("start the applications: %q %v\n%s", line, err, rest)
		}
		ports = append(ports, port)
	}
	for _, p := range ports {
		awaitPort(t, p)
	}
	go io.Copy(io.Discard, out) // ends with the program
	return ports
}

func awaitPort(t testing.TB, port string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("port %s does not accept: %v", port, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// proxied passes requests to a port, with the scheme that the proxy says.
// Empty: it says none.
func proxied(port, scheme string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + port})
			r.Out.Host = r.In.Host
			if scheme != "" {
				r.Out.Header.Set("X-Forwarded-Proto", scheme)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// The weak service has each flaw; with the catalog's code pasted below, it does
// not.
func TestFastAPIFixesA(t *testing.T) {
	t.Parallel()
	token := goodToken(t)
	weak := strings.ReplaceAll(weakFastAPI, "TOKEN", token)
	front := func(t testing.TB, port, scheme string, plain http.Handler) *fixture {
		f := serve(t, server{Name: "api.test", Bare: true, Token: token, Handler: proxied(port, scheme), Plain: plain})
		f.Config.Protected = []string{"/items"}
		return f
	}
	both := func(t testing.TB, port string) *fixture { return front(t, port, "https", proxied(port, "http")) }
	secure := func(t testing.TB, port string) *fixture { return front(t, port, "https", nil) }
	tests := []struct {
		check scan.Check
		more  string // of the weak service
		serve func(t testing.TB, port string) *fixture
	}{
		{transportNoTLS, "", both},
		{transportTokenOverHTTP, "", both},
		{transportNoHTTPSRedirect, "", both},
		{transportWebsocketCleartext, "", both},
		{transportRedirectDowngrade, "", func(t testing.TB, port string) *fixture { return front(t, port, "", nil) }},
		{transportRedirectLeaksToken, "", secure},
		{transportNoHSTS, "", secure},
		{transportWeakHSTS, shortHSTS, secure},
		{transportCleartextReference, "", secure},
		{hostUnvalidated, "", secure},
		{hostReflected, "", secure},
		{tlsEarlyData, "", func(t testing.TB, port string) *fixture {
			dial := nginx(t, "proxy_pass http://127.0.0.1:"+port+"; proxy_set_header Early-Data $ssl_early_data;")
			f := serve(t, server{Token: token, Hello: func(c net.Conn, _ []byte) bool { tunnel(t, c, dial); return true }})
			f.Config.Protected = []string{"/items"}
			return f
		}},
	}
	var sources []string
	for _, tt := range tests {
		flawed := weak + tt.more
		code := pasted(t, tt.check.ID)
		// The names of the example are the test's own here.
		code = strings.ReplaceAll(code, `"api.example.com"`, `"api.test"`)
		sources = append(sources, flawed, flawed+"\n"+code)
	}
	ports := applications(t, sources)
	for i, tt := range tests {
		t.Run(tt.check.ID, func(t *testing.T) {
			t.Parallel()
			mustFind(t, tt.serve(t, ports[2*i]), tt.check)
			mustPass(t, tt.serve(t, ports[2*i+1]), tt.check)
		})
	}
}

// The server that the catalog's code starts passes every check of TLS.
func TestFastAPIServesTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leaf := testPKI(t).leaf(t, "localhost")
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"fullchain.pem": {Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}, "privkey.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, number, _ := net.SplitHostPort(port.Keep(t))
	code := strings.NewReplacer("8443", number, "0.0.0.0", "127.0.0.1").Replace(pasted(t, "tls.legacy-protocol"))
	out := python(t, dir, weakFastAPI+code, nil)
	go io.Copy(io.Discard, out) // ends with the program
	awaitPort(t, number)
	r, err := scan.Run(t.Context(), scan.Config{
		URL: "https://localhost:" + number, CA: testPKI(t).pool, Rate: 1e6,
		Resolve: []string{fmt.Sprintf("localhost:%s:127.0.0.1", number)},
	}, tlsChecks())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Errorf("got %s: %s", f.ID, f.Evidence)
	}
	for _, u := range r.Inconclusive {
		t.Errorf("got %s inconclusive: %s", u.ID, u.Reason)
	}
	if len(r.Passed) == 0 {
		t.Errorf("got nothing passed, want all that applies: %+v", r)
	}
}
