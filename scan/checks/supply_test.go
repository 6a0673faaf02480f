package checks

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSupplyVulnerableVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		where, text string
		want        string // empty: nothing is found
		confidence  string
	}{
		{"Server", "Werkzeug/2.2.2 Python/3.11.2", "CVE-2023-25577", ""},
		{"Server", "Werkzeug/3.0.3 Python/3.11.2", "", ""},
		{"Server", "nginx/1.18.0", "CVE-2021-23017", ""},
		{"Server", "nginx/1.18.0 (Ubuntu)", "CVE-2021-23017", "low"},
		{"Server", "nginx/1.27.3", "", ""},
		{"Server", "gunicorn/20.1.0", "CVE-2024-1135", ""},
		{"Server", "uvicorn", "", ""},
		{"Server", "uvicorn/0.20.0", "", ""},
		{"X-Powered-By", "Express", "", ""},
		{"body", `{"detail":"PyJWT 2.3.0: invalid token"}`, "CVE-2022-29217", ""},
		{"body", `{"detail":"pyjwt==2.10.0"}`, "CVE-2024-53861", ""},
		{"body", `{"detail":"pyjwt==2.10.1"}`, "", ""},
		{"body", `<hr><center>nginx/1.18.0 (Debian)</center>`, "CVE-2021-23017", "low"},
		{"body", `{"detail":"python-jose 3.3.0-1+deb12u1"}`, "CVE-2024-33663", "low"},
		{"body", `{"detail":"starlette 0.47.1"}`, "CVE-2025-54121", ""},
		{"body", `{"detail":"starlette 0.47.2"}`, "", ""},
		{"body", `{"detail":"jsonwebtoken@8.5.1"}`, "CVE-2022-23540", ""},
		{"body", `{"detail":"my-pyjwt-like-thing is 1.7.1 years old"}`, "", ""},
	} {
		t.Run(tt.where+" "+tt.text, func(t *testing.T) {
			t.Parallel()
			c := canned{status: 404, body: `{}`}
			if tt.where == "body" {
				c.body = tt.text
			} else {
				c.header = http.Header{tt.where: {tt.text}}
			}
			f := site{otherwise: c}.start(t)
			if tt.want == "" {
				mustPass(t, f, supplyVulnerableVersion)
				return
			}
			found := mustFind(t, f, supplyVulnerableVersion, tt.want, "mended in", advisoriesAsOf, "curl")
			if len(found) != 1 || found[0].Confidence != tt.confidence {
				t.Errorf("got %+v, want one finding of confidence %q", found, tt.confidence)
			}
		})
	}
	// The version of an API, and what a page says with status 200, are none.
	spec := canned{status: 200, body: `{"openapi":"3.1.0","info":{"title":"FastAPI 0.50.0","version":"0.50.0"},"paths":{}}`}
	mustPass(t, site{at: map[string]canned{"/openapi.json": spec, "/": {status: 200, body: `{"made with":"FastAPI 0.50.0"}`}}}.start(t), supplyVulnerableVersion)
	mustBeUnsure(t, site{token: goodToken(t)}.start(t), supplyVulnerableVersion)
	mustNotDecideDead(t, site{}.start(t), supplyVulnerableVersion)
}

func TestAdvisories(t *testing.T) {
	t.Parallel()
	day, err := time.Parse(time.DateOnly, advisoriesAsOf)
	if err != nil || day.After(time.Now().AddDate(0, 0, 1)) {
		t.Errorf("got the day %q, want one that has come", advisoriesAsOf)
	}
	if !slices.IsSortedFunc(advisories, func(a, b advisory) int { return strings.Compare(a.software, b.software) }) {
		t.Error("the advisories are not sorted by software")
	}
	for i, a := range advisories {
		fixed, ok := parseVersion(a.fixed)
		since, sinceOK := parseVersion(a.since)
		if !ok || !sinceOK || len(fixed) < 2 || compareVersions(since, fixed) >= 0 || !strings.HasPrefix(a.id, "CVE-20") {
			t.Errorf("%+v: want an id, and a range that ends after it begins", a)
		}
		if !namedVersion.MatchString(a.software + "/" + a.fixed) {
			t.Errorf("%s: no answer that names it is recognised", a.software)
		}
		if i > 0 && advisories[i-1].software == a.software {
			if before, _ := parseVersion(advisories[i-1].fixed); compareVersions(before, fixed) > 0 {
				t.Errorf("%s: %s stands after %s; the last one is shown as the version that mends all", a.software, a.fixed, advisories[i-1].fixed)
			}
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		older, newer string
	}{
		{"2.3.9", "2.4.0"}, {"2.4", "2.4.1"}, {"0.9.0", "0.10.0"}, {"1.2-3+deb12u1", "1.3"}, {"", "0.0.1"},
	} {
		a, _ := parseVersion(tt.older)
		b, _ := parseVersion(tt.newer)
		if compareVersions(a, b) >= 0 || compareVersions(b, a) <= 0 || compareVersions(a, a) != 0 {
			t.Errorf("got %v and %v the wrong way round", tt.older, tt.newer)
		}
	}
	if a, _ := parseVersion("1.0"); compareVersions(a, []int{1}) != 0 {
		t.Error("got 1.0 and 1 as different versions")
	}
	if _, ok := parseVersion("x.y"); ok {
		t.Error("got a version of x.y, want none")
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("2.6.0-1+deb12u1")
	f.Add("99999999999999999999.1")
	f.Fuzz(func(t *testing.T, s string) {
		v, _ := parseVersion(s)
		if slices.ContainsFunc(v, func(n int) bool { return n < 0 }) {
			t.Errorf("got %v of %q, want no negative number", v, s)
		}
	})
}

func TestSupplyDocsExposed(t *testing.T) {
	t.Parallel()
	html := func(body string) canned { return canned{200, "text/html", body, nil} }
	for name, tt := range map[string]struct {
		path string
		canned
		base string
		want string // empty: nothing is found
	}{
		"Swagger UI":            {"/docs", html(`<script>SwaggerUIBundle({url:"/openapi.json"})</script>`), "", "/docs"},
		"ReDoc":                 {"/redoc", html(`<redoc spec-url="/openapi.json"></redoc>`), "", "/redoc"},
		"Scalar":                {"/api-docs", html(`<script src="https://cdn.example/@scalar/api-reference"></script>`), "", "/api-docs"},
		"below a path":          {"/v1/docs", html(`<div id="swagger-ui"></div>`), "/v1", "/v1/docs"},
		"behind a login":        {"/docs", canned{401, "text/html", `<div id="swagger-ui"></div>`, nil}, "", ""},
		"a page about anything": {"/docs", html(`<h1>Our handbook</h1>`), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := site{at: map[string]canned{tt.path: tt.canned}}.start(t)
			f.Config.URL += tt.base
			if tt.want == "" {
				mustPass(t, f, supplyDocsExposed)
				return
			}
			mustFind(t, f, supplyDocsExposed, "GET "+tt.want, "curl")
			mustPass(t, site{otherwise: tt.canned}.start(t), supplyDocsExposed) // one page for every path
		})
	}
}
