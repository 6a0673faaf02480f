package fastapi_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/testpki"
	"github.com/wiretight/wiretight/scan"
)

// planted are the mistakes of weak/app.py that a scan with login data sees. Where
// is a part of the line that makes the mistake, or of the comment that names it.
var planted = []struct{ id, where string }{
	{"transport.no-tls", "speaks plain HTTP"},
	{"transport.token-over-http", "speaks plain HTTP"},
	{"transport.websocket-cleartext", "await socket.accept()"},
	{"host.unvalidated", "takes any Host"},
	{"host.reflected", "sends wrong slashes on to it"},
	{"jwt.signature-unverified", `options={"verify_signature": False}`},
	{"jwt.long-lived", "LIFETIME = 8 * 24 * 3600"},
	{"jwt.missing-claims", "neither iss nor aud nor jti"},
	{"jwt.token-in-url", `request.query_params.get("token")`},
	{"jwt.not-revoked", "the token lives on"},
	{"refresh.predictable", "can be counted up"},
	{"refresh.reuse-accepted", "again and again"},
	{"cookie.not-secure", "neither Secure nor HttpOnly"},
	{"cookie.not-httponly", "neither Secure nor HttpOnly"},
	{"cors.reflected-origin", `allow_origins=["*"], allow_credentials=True`},
	{"cors.broad-methods", `allow_methods=["*"], allow_headers=["*"]`},
	{"leak.token-echo", `"headers": dict(request.headers)}, 404)`},
	{"leak.stack-trace", `"trace": text`},
	{"leak.cacheable-token", "may keep the answer"},
	{"auth.no-rate-limit", "as often as one likes"},
	{"supply.docs-exposed", "shows its documentation to all"},
}

// hidden are mistakes that others cover: the report names the cover. Once that is
// mended, they are found.
var hidden = []struct{ id, by, where string }{
	{"jwt.weak-secret", "jwt.signature-unverified", "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"},
	{"jwt.alg-none", "jwt.signature-unverified", `"none"]`},
	{"jwt.expired-accepted", "jwt.signature-unverified", "nor do exp, iss and aud count"},
	{"jwt.not-before-ignored", "jwt.signature-unverified", "nor do exp, iss and aud count"},
	{"cors.wildcard", "cors.reflected-origin", `allow_origins=["*"]`},
}

// unseen are the mistakes that a scan from outside cannot see, and why.
var unseen = []struct{ where, why string }{
	{"nor do exp, iss and aud count", "that iss and aud are not compared shows only where tokens have them: jwt.missing-claims stands for both"},
	{"a cookie comes from anywhere", "no check sends the token in a cookie from another site: cookie.* and cors.* judge what the cookie allows"},
	{"believes a header that anybody can send", "the name of the header is the service's own, and there is no check of identity headers"},
	{"the check was forgotten", "the description does not say that /admin/stats needs a token; named with --protected it is auth.missing"},
	{"KeyError, and with it the trace", "the scan calls no path whose parameter it had to make up more than once: leak.stack-trace is seen elsewhere"},
	{"from whatever origin, with whatever token", "no check opens a WebSocket over TLS; in clear it is transport.websocket-cleartext"},
}

const loginData = "username=alice&password=wonderland-7"

// scan runs the binary and returns its report and exit code.
func (e *example) scan(target string, args ...string) (*scan.Report, int) {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), guardBinary, append([]string{"scan", target, "--format", "json", "--timeout", "20s"}, args...)...)
	cmd.Dir = e.dir
	out, err := cmd.Output()
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		e.t.Fatal(err)
	}
	var r scan.Report
	if err := json.Unmarshal(out, &r); err != nil {
		e.t.Fatalf("scan %s %q: %v, exit code %d\n%s\n%v", target, args, err, code, tail(string(out)), err)
	}
	if r.Incomplete != "" {
		e.t.Fatalf("scan %s %q: incomplete: %s", target, args, r.Incomplete)
	}
	return &r, code
}

func findings(r *scan.Report) []string {
	ids := []string{}
	for _, f := range r.Findings {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return ids
}

// undecided are the checks without a verdict, each with its reason.
func undecided(t *testing.T, list []scan.Undecided) []string {
	t.Helper()
	ids := []string{}
	for _, u := range list {
		t.Logf("undecided: %s: %s", u.ID, u.Reason)
		ids = append(ids, u.ID)
	}
	return ids
}

func TestScanOfTheWeakServiceFindsWhatWasPlanted(t *testing.T) {
	t.Parallel()
	e := newExample(t, "weak")
	r, code := e.scan(e.direct, "--login-url", "/token", "--login-data", loginData)
	var want []string
	for _, p := range planted {
		want = append(want, p.id)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, findings(r)); diff != "" {
		t.Errorf("findings, - planted, + found:\n%s", diff)
	}
	if code != 1 || r.Grade == nil || *r.Grade != "F" {
		t.Errorf("got exit code %d and grade %v, want 1 and F", code, r.Grade)
	}
	if got := undecided(t, r.Inconclusive); len(got) > 0 {
		t.Errorf("got inconclusive %v, want none", got)
	}
	for _, h := range hidden {
		if !slices.Contains(r.Subsumed, scan.SubsumedCheck{ID: h.id, By: h.by}) {
			t.Errorf("%s: got subsumed %v, want it there by %s", h.id, r.Subsumed, h.by)
		}
	}
	// No mistake is left out of the tables: each comment that names one has a row.
	source, err := os.ReadFile(filepath.Join("weak", "app.py"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	told := map[int]bool{}
	look := func(where string) {
		t.Helper()
		found := false
		for i, line := range lines {
			if strings.Contains(line, where) {
				// The comment stands on the line itself, or up to four lines above.
				for j := i; j >= max(0, i-4); j-- {
					if strings.Contains(lines[j], "mistake:") {
						told[j], found = true, true
						break
					}
				}
			}
		}
		if !found {
			t.Errorf("%q is near no mistake of weak/app.py", where)
		}
	}
	for _, p := range planted {
		look(p.where)
	}
	for _, h := range hidden {
		look(h.where)
	}
	for _, u := range unseen {
		look(u.where)
	}
	for i, line := range lines {
		if strings.Contains(line, "mistake:") && !told[i] {
			t.Errorf("line %d of weak/app.py is in none of the tables: %s", i+1, line)
		}
	}
	// What the description keeps quiet is found where the user names it.
	r, _ = e.scan(e.direct, "--login-url", "/token", "--login-data", loginData, "--protected", "/admin/stats", "--only", "auth.missing")
	if got := findings(r); !slices.Equal(got, []string{"auth.missing"}) || !strings.HasSuffix(r.Findings[0].Location.URL, "/admin/stats") {
		t.Errorf("with --protected /admin/stats: got %v, want auth.missing there", r.Findings)
	}
}

// TestMistakesShowOnceTheirCoverIsMended mends one line of the weak service, and
// scans for what that line hid.
func TestMistakesShowOnceTheirCoverIsMended(t *testing.T) {
	t.Parallel()
	const cover = `algorithms=[ALGORITHM, "none"], options={"verify_signature": False})`
	for _, c := range []struct {
		name, from, to string
		ids            []string
	}{
		{"signature", cover, `algorithms=[ALGORITHM], options={"verify_exp": False, "verify_nbf": False})`, []string{"jwt.expired-accepted", "jwt.not-before-ignored", "jwt.weak-secret"}},
		{
			"signature, but for none", "    return jwt.decode(token, SECRET_KEY, " + cover,
			// An error of the library's that gets out is a 500, which decides nothing.
			"    try:\n" +
				"        none = jwt.get_unverified_header(token)[\"alg\"] == \"none\"\n" +
				"        return jwt.decode(token, SECRET_KEY, [ALGORITHM], options={\"verify_signature\": not none})\n" +
				"    except Exception:\n" +
				"        raise HTTPException(401, \"Not authenticated\")\n",
			[]string{"jwt.alg-none"},
		},
		{"credentials", `allow_origins=["*"], allow_credentials=True`, `allow_origins=["*"]`, []string{"cors.wildcard"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := prepare(t)
			path := filepath.Join(e.dir, "weak", "app.py")
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			mended := strings.Replace(string(source), c.from, c.to, 1)
			if mended == string(source) {
				t.Fatalf("weak/app.py has no %q", c.from)
			}
			if err := os.WriteFile(path, []byte(mended), 0o600); err != nil {
				t.Fatal(err)
			}
			e.app = e.start(nil, python, "-m", "uvicorn", "--app-dir", "weak", "app:app", "--host", "127.0.0.1", "--port", "0")
			e.direct = e.app.Says(`Uvicorn running on (http://127\.0\.0\.1:\d+)`)
			r, _ := e.scan(e.direct, "--login-url", "/token", "--login-data", loginData, "--only", strings.Join(c.ids, ","))
			if diff := cmp.Diff(c.ids, findings(r)); diff != "" {
				t.Errorf("findings, - wanted, + found:\n%s", diff)
				undecided(t, slices.Concat(r.Inconclusive, r.Skipped))
			}
		})
	}
}

// startMendedTLS starts the mended service behind uvicorn's own TLS, by a
// certificate of ca.pem, and returns its URL.
func (e *example) startMendedTLS() string {
	e.t.Helper()
	e.certify()
	e.app = e.start([]string{`ITEMS_USERS={"alice": "wonderland-7"}`}, python, "-m", "uvicorn", "--app-dir", "mended", "app:app",
		"--host", "127.0.0.1", "--port", "0", "--no-server-header", "--ssl-certfile", "cert.pem", "--ssl-keyfile", "key.pem")
	u, err := url.Parse(e.app.Says(`Uvicorn running on (https://127\.0\.0\.1:\d+)`))
	if err != nil {
		e.t.Fatal(err)
	}
	e.direct = "https://localhost:" + u.Port()
	return u.Port()
}

// certify writes ca.pem, cert.pem for localhost, and key.pem.
func (e *example) certify() {
	e.t.Helper()
	ca, err := testpki.NewRoot("Example Root")
	if err != nil {
		e.t.Fatal(err)
	}
	// Half a year: one that ends within days would be a finding.
	t := testpki.Server("localhost")
	t.NotAfter = time.Now().AddDate(0, 6, 0)
	server, err := testpki.Issue(t, nil, ca)
	if err != nil {
		e.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(e.dir, "ca.pem"), ca.CertPEM(), 0o600); err != nil {
		e.t.Fatal(err)
	}
	if err := server.Write(filepath.Join(e.dir, "cert.pem"), filepath.Join(e.dir, "key.pem")); err != nil {
		e.t.Fatal(err)
	}
}

func TestScanOfTheMendedServiceFindsNothing(t *testing.T) {
	t.Parallel()
	e := prepare(t)
	port := e.startMendedTLS()
	known := []string{"--ca", "ca.pem", "--resolve", "localhost:" + port + ":127.0.0.1", "--login-url", "/token", "--login-data", loginData}
	told := append(slices.Clone(known), "--protected", "/profile", "--protected", "/items", "--origin", "https://app.example.com",
		"--expired-token", e.late(t), "--other-token", e.mint(map[string]any{"aud": "billing-api"}))
	for _, c := range []struct {
		name    string
		args    []string
		skipped []string
	}{
		{"by login alone", known, []string{
			"auth.method-bypass", "auth.missing", // nothing says what needs a token
			"jwt.audience-unchecked", "jwt.expired-accepted", // the scan has no such token
			"jwt.issuer-unchecked", "jwt.not-before-ignored", // nobody but the service can sign them
			"jwt.weak-secret", // ES256 has no secret
		}},
		{"with all that a user can give", told, []string{"jwt.issuer-unchecked", "jwt.not-before-ignored", "jwt.weak-secret"}},
	} {
		r, code := e.scan(e.direct, c.args...)
		for _, f := range r.Findings {
			t.Errorf("%s: got %s: %s", c.name, f.ID, f.Evidence)
		}
		if code != 0 || r.Grade == nil || *r.Grade != "A" || r.Score == nil || *r.Score != 100 {
			t.Errorf("%s: got exit code %d, grade %v, score %v; want 0, A, 100", c.name, code, r.Grade, r.Score)
		}
		if got := undecided(t, r.Inconclusive); len(got) > 0 {
			t.Errorf("%s: got inconclusive %v, want none", c.name, got)
		}
		if diff := cmp.Diff(c.skipped, undecided(t, r.Skipped)); diff != "" {
			t.Errorf("%s: skipped, - expected, + got:\n%s", c.name, diff)
		}
		if all := len(catalog.All()); len(r.Passed)+len(c.skipped) != all {
			t.Errorf("%s: got %d passed, want %d", c.name, len(r.Passed), all-len(c.skipped))
		}
	}
}
