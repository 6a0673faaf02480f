package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/port"
	"github.com/wiretight/wiretight/internal/testproc"
)

// rightNginx asks as the documentation says.
const rightNginx = `daemon off; master_process off; user root; pid DIR/nginx.pid; error_log DIR/nginx.log;
events {}
http {
  access_log off;
  client_body_temp_path DIR/t1; proxy_temp_path DIR/t2; fastcgi_temp_path DIR/t3; uwsgi_temp_path DIR/t4; scgi_temp_path DIR/t5;
  server {
    listen 127.0.0.1:PORT ssl;
    ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;
    location / {
      auth_request /authorize;
      auth_request_set $wt_status $upstream_http_x_wiretight_status;
      auth_request_set $wt_problem $upstream_http_x_wiretight_problem;
      auth_request_set $wt_challenge $upstream_http_www_authenticate;
      auth_request_set $wt_retry $upstream_http_retry_after;
      auth_request_set $wt_authorization $upstream_http_authorization;
      auth_request_set $wt_cookie $upstream_http_cookie;
      auth_request_set $wt_dpop $upstream_http_dpop;
      auth_request_set $wt_subject $upstream_http_x_auth_subject;
      auth_request_set $wt_claims $upstream_http_x_auth_claims;
      auth_request_set $wt_scopes $upstream_http_x_auth_scopes;
      error_page 401 403 = @refused;
      proxy_set_header Authorization $wt_authorization;
      proxy_set_header Cookie $wt_cookie;
      proxy_set_header DPoP $wt_dpop;
      proxy_set_header X-Auth-Subject $wt_subject;
      proxy_set_header X-Auth-Claims $wt_claims;
      proxy_set_header X-Auth-Scopes $wt_scopes;
      proxy_pass UPSTREAM;
    }
    location = /authorize {
      internal;
      proxy_pass http://ASKED/authorize/nginx;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header X-Forwarded-Method $request_method;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Uri $request_uri;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
    location @refused {
      default_type application/problem+json;
      add_header WWW-Authenticate $wt_challenge always;
      add_header Retry-After $wt_retry always;
      if ($wt_status = 400) { return 400 $wt_problem; }
      if ($wt_status = 401) { return 401 $wt_problem; }
      if ($wt_status = 429) { return 429 $wt_problem; }
      return 403 $wt_problem;
    }
  }
}
`

// nginx runs a real one until the returned function is called, and gives its
// address.
func (b *bed) nginx(t *testing.T, conf, asked string) (addr string, stop func()) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("there is no nginx; run testdata/install-peers")
		}
	}
	addr = port.Keep(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	conf = strings.NewReplacer("DIR", b.dir, "PORT", port, "UPSTREAM", b.upstream.URL, "ASKED", asked).Replace(conf)
	file := b.write("nginx-"+port+".conf", []byte(conf))
	var said testproc.Output
	cmd := exec.Command(path, "-p", b.dir, "-e", filepath.Join(b.dir, "nginx.log"), "-c", file)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	eventually(t, "nginx accepts", func() bool {
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", said.String())
		default:
		}
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return addr, func() {
		_ = cmd.Process.Kill()
		<-ended
	}
}

// checkBed is a guard with an authorizer, before an application that repeats
// the headers of its request.
func checkBed(t *testing.T) (b *bed, asked string) {
	t.Helper()
	return checkBedWith(t, "token", "Authorization")
}

// checkBedWith has an application that gets what forward says, and keeps one header
// to itself.
func checkBedWith(t *testing.T, forward, kept string) (b *bed, asked string) {
	t.Helper()
	b = newBed(t)
	b.handle = func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if name != kept {
				fmt.Fprintf(w, "%s: %q\n", name, values)
			}
		}
	}
	file := b.config("rate_limit: {auth_failures: 1000/m}\nauthorizer: {http: \"127.0.0.1:0\", trusted_peers: [127.0.0.0/8]}")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b.write("wiretight.yaml", bytes.Replace(text, []byte("tokens: {"), []byte("tokens: {forward: "+forward+", "), 1))
	b.ca.writeRoot(t, b.path("ca.pem"))
	b.write("token.txt", []byte(b.mint(nil)+"\n"))
	return b, b.start("-c", "wiretight.yaml").listening(authorizerHTTP)
}

// checkThrough runs the command and gives its exit code and the state of each line.
func (b *bed) checkThrough(t *testing.T, addr string, more ...string) (code int, states map[string]string, text string) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), append([]string{
		"authorizer", "check", "--through", "https://" + testHost + ":" + port + "/items",
		"--resolve", testHost + ":" + port + ":127.0.0.1", "--ca", "ca.pem", "-c", "wiretight.yaml",
	}, more...)...)
	cmd.Dir = b.dir
	out, _ := cmd.CombinedOutput() // the exit code says it
	states = map[string]string{}
	for line := range strings.Lines(string(out)) {
		if len(line) > 38 && line[0] != ' ' {
			states[strings.TrimSpace(line[9:38])] = strings.TrimSpace(line[:8])
		}
	}
	b.noToken("the check's output", string(out))
	return cmd.ProcessState.ExitCode(), states, string(out)
}

// TestAuthorizerCheck finds every mistake of a real nginx, and none of a right one.
func TestAuthorizerCheck(t *testing.T) {
	t.Parallel()
	b, asked := checkBed(t)
	for _, tc := range []struct {
		name, from, to string
		about, want    string // empty: nothing is wrong
	}{
		{"right", "", "", "", ""},
		{"right, with a list of addresses", "X-Forwarded-For $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for", "", ""},
		{"no method", "proxy_set_header X-Forwarded-Method $request_method;", "", "X-Forwarded-Method", forgets},
		{"no scheme", "proxy_set_header X-Forwarded-Proto $scheme;", "", "X-Forwarded-Proto", forgets},
		{"no host", "proxy_set_header X-Forwarded-Host $http_host;", "", "X-Forwarded-Host", forgets},
		{"no path", "proxy_set_header X-Forwarded-Uri $request_uri;", "", "X-Forwarded-Uri", forgets},
		{"no address", "proxy_set_header X-Forwarded-For $remote_addr;", "", "X-Forwarded-For", forgets},
		{"one method for all", "$request_method", "GET", "X-Forwarded-Method", fakes},
		{"host without its port", "$http_host", "$host", "X-Forwarded-Host", fakes},
		{"path without its query", "X-Forwarded-Uri $request_uri", "X-Forwarded-Uri $document_uri", "X-Forwarded-Uri", fakes},
		{"the client's scheme", "Proto $scheme", "Proto $http_x_forwarded_proto", "X-Forwarded-Proto", forgets},
		{"the client's address", "For $remote_addr", "For $http_x_forwarded_for", "X-Forwarded-For", forgets},
		{"no cookie", "proxy_set_header Content-Length \"\";", "proxy_set_header Content-Length \"\"; proxy_set_header Cookie \"\";", "Cookie", forgets},
		{"no origin", "proxy_set_header Content-Length \"\";", "proxy_set_header Content-Length \"\"; proxy_set_header Origin \"\";", "Origin", forgets},
		{"the client's identity", "proxy_set_header X-Auth-Subject $wt_subject;", "", "identity headers", fakes},
		{"refusals of nginx", "error_page 401 403 = @refused;", "", "refusals", forgets},
		{"no Retry-After", "add_header Retry-After $wt_retry always;", "", "Retry-After", forgets},
		{"no question", "auth_request /authorize;", "auth_request off;", "the question", forgets},
	} {
		t.Run(tc.name, func(t *testing.T) { // one after the other, as a guard lets one check run at a time
			conf := strings.Replace(rightNginx, tc.from, tc.to, 1)
			if tc.from != "" && conf == rightNginx {
				t.Fatalf("%q is not in the configuration", tc.from)
			}
			addr, stop := b.nginx(t, conf, asked)
			defer stop()
			code, states, text := b.checkThrough(t, addr, "--token-file", "token.txt")
			want := 0
			if tc.about != "" {
				want = exitFindings
			}
			if code != want || states[tc.about] != tc.want {
				t.Errorf("got %d and %q for %s, want %d and %q:\n%s", code, states[tc.about], tc.about, want, tc.want, text)
			}
			if tc.about == "" && states["identity headers"] != fine {
				t.Errorf("got %q for identity headers, want it seen by the application:\n%s", states["identity headers"], text)
			}
			if tc.about != "" && !strings.Contains(text, "nginx:") {
				t.Errorf("got %s, want how to mend it in nginx", text)
			}
		})
	}
}

// TestAuthorizerCheckIdentity has an application that is to get claims in the place
// of the token, and repeats all that it gets.
func TestAuthorizerCheckIdentity(t *testing.T) {
	t.Parallel()
	b, asked := checkBedWith(t, "claims", "")
	all := strings.NewReplacer(
		"auth_request_set $wt_scopes", "auth_request_set $wt_issuer $upstream_http_x_auth_issuer; auth_request_set $wt_scopes",
		"proxy_set_header X-Auth-Scopes", "proxy_set_header X-Auth-Issuer $wt_issuer; proxy_set_header X-Auth-Scopes",
	).Replace(rightNginx)
	for _, tc := range []struct{ name, lost, want, says string }{
		{"right", "", fine, ""},
		{"the token goes along", "proxy_set_header Authorization $wt_authorization;", fakes, "token reaches the application"},
		{"no issuer", "proxy_set_header X-Auth-Issuer $wt_issuer;", forgets, "X-Auth-Issuer"},
		{"no answer read", "auth_request_set $wt_subject $upstream_http_x_auth_subject;", forgets, "X-Auth-Subject"},
	} {
		t.Run(tc.name, func(t *testing.T) { // one after the other, as a guard lets one check run at a time
			conf := strings.Replace(all, tc.lost, "", 1)
			if strings.HasPrefix(tc.lost, "auth_request_set") {
				conf = strings.Replace(conf, "proxy_set_header X-Auth-Subject $wt_subject;", `proxy_set_header X-Auth-Subject "";`, 1)
			}
			addr, stop := b.nginx(t, conf, asked)
			defer stop()
			code, states, text := b.checkThrough(t, addr, "--token-file", "token.txt")
			if wrong := code == exitFindings; states["identity headers"] != tc.want || wrong == (tc.want == fine) || !strings.Contains(text, tc.says) {
				t.Errorf("got %d and %q, want %q and %q:\n%s", code, states["identity headers"], tc.want, tc.says, text)
			}
		})
	}
}

// TestAuthorizerCheckCannot holds what keeps a check from being made.
func TestAuthorizerCheckCannot(t *testing.T) {
	t.Parallel()
	b, asked := checkBed(t)
	if code, _, text := b.checkThrough(t, port.Keep(t)); code != exitFailed || !strings.Contains(text, "reach the proxy") {
		t.Errorf("no proxy: got %d, %s, want %d", code, text, exitFailed)
	}
	addr, stop := b.nginx(t, rightNginx, asked)
	defer stop()
	if code, states, text := b.checkThrough(t, addr); code != 0 || states["identity headers"] != unknown {
		t.Errorf("no token: got %d, %s, want 0 and identity headers unknown", code, text)
	}
	alone := newBed(t)
	alone.config("")
	alone.ca.writeRoot(t, alone.path("ca.pem"))
	if code, _, text := alone.checkThrough(t, addr); code != exitFailed || !strings.Contains(text, "no guard is running here") {
		t.Errorf("no guard: got %d, %s, want %d", code, text, exitFailed)
	}
	alone.start("-c", "wiretight.yaml")
	if code, _, text := alone.checkThrough(t, addr); code != exitFailed || !strings.Contains(text, "no authorizer") {
		t.Errorf("no authorizer: got %d, %s, want %d", code, text, exitFailed)
	}
	for name, args := range map[string][]string{
		"no URL": {}, "no host": {"--through", "https:///x"}, "a query": {"--through", "https://x.test/?a=b"},
		"token in clear": {"--through", "http://x.test/", "--token-file", "token.txt"},
		"resolve":        {"--through", "https://x.test/", "--resolve", "x"}, "no CA": {"--through", "https://x.test/", "--ca", "none.pem"},
	} {
		cmd := exec.Command(binary(t), append([]string{"authorizer", "check"}, args...)...)
		cmd.Dir = b.dir
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitUsage {
			t.Errorf("%s: got %d, %s, want %d", name, cmd.ProcessState.ExitCode(), out, exitUsage)
		}
	}
}
