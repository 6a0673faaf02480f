package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif" // for its schema
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
	"github.com/wiretight/wiretight/scan/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func ptr[T any](v T) *T { return &v }

// sample is a report with something of everything.
func sample() *scan.Report {
	finding := func(id, title string, s catalog.Severity, cwe string, urls ...string) scan.Finding {
		f := scan.Finding{
			ID: id, Title: title, Severity: s, CWE: []string{cwe}, Confidence: "high", Fingerprint: "fp-" + id,
			Location:    scan.Location{Method: "GET", URL: urls[0]},
			Evidence:    "no credential: 401\ngarbage: 401\nrandom signature: 401\nalg none (eyJhbG…1a2b3c4d): 200, as with the real token",
			Repeat:      "curl -H 'Authorization: Bearer $TOKEN' " + urls[0],
			Remediation: scan.Finding{}.Remediation, Guard: "tokens.issuers[].algorithms",
		}
		f.Remediation = catalog.Remediation{
			Text: "Name the algorithms that you accept, and verify the signature before anything else of the token is believed.",
			Code: "jwt.decode(token, key, algorithms=[\"RS256\"],\n           audience=AUDIENCE, issuer=ISSUER)", Language: "python",
		}
		for _, u := range urls {
			if len(urls) > 1 {
				f.Locations = append(f.Locations, scan.Location{Method: "GET", URL: u})
			}
		}
		return f
	}
	f := []scan.Finding{
		finding("jwt.alg-none", "An unsigned token (alg none, any letter case) is accepted", catalog.Critical, "CWE-347", "https://api.example.com/profile", "https://api.example.com/items"),
		finding("transport.no-tls", "The API answers application requests over plain HTTP", catalog.High, "CWE-319", "http://api.example.com/"),
		finding("transport.no-hsts", "HTTPS responses carry no Strict-Transport-Security", catalog.Medium, "CWE-693", "https://api.example.com/"),
		finding("leak.server-version", "A header names the exact version of a server or framework", catalog.Low, "CWE-200", "https://api.example.com/"),
		finding("supply.docs-exposed", "Interactive API documentation is public", catalog.Info, "CWE-200", "https://api.example.com/docs"),
	}
	f[3].Confidence = "low"
	return &scan.Report{
		Version: 1, Target: "https://api.example.com", Started: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), DurationMS: 2345, Requests: 412,
		Score: ptr(37), Grade: ptr("F"), Stack: scan.Stack{Server: "uvicorn", Framework: "FastAPI", Evidence: "server header, 422 with a detail list"},
		Findings: f, Passed: []string{"cookie.not-secure", "cors.wildcard", "tls.legacy-protocol", "tls.weak-cipher"},
		Inconclusive: []scan.Undecided{{ID: "jwks.inconsistent", Reason: "one address only"}},
		Skipped:      []scan.Undecided{{ID: "jwt.not-revoked", Reason: "needs a login"}, {ID: "refresh.predictable", Reason: "needs a login"}},
		Suppressed: []scan.Suppressed{{
			Finding: finding("host.unvalidated", "A request for an unknown Host is served as if it were the API's own", catalog.Medium, "CWE-644", "https://api.example.com/"),
			Reason:  "the load balancer checks it", Expires: "2027-01-31", Owner: "platform",
		}},
		Subsumed: []scan.SubsumedCheck{{ID: "jwt.expired-accepted", By: "jwt.alg-none"}},
	}
}

// clean is a report without findings, unfinished one that stopped half way.
func clean() *scan.Report {
	return &scan.Report{Target: "https://api.example.com", Started: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Score: ptr(100), Grade: ptr("A"), Passed: []string{"transport.no-tls"}}
}

func unfinished() *scan.Report {
	r := sample()
	r.Score, r.Grade, r.Incomplete = nil, nil, "interrupted after 12 of 75 checks"
	return r
}

// hostile is a report of a target that answers with attacks on its readers.
func hostile() *scan.Report {
	r := sample()
	evil := "</script></style></pre><script>alert(1)</script><img src=x onerror=alert(1)>\" onclick=\"x\" ]]> &amp; " +
		"\x1b[2J\x1b]0;owned\a\x00\x08\x9b31m \u202egnp.exe\u2028 %s ::error::x\n::set-output name=a::b \xff\xfe"
	r.Target += "/" + evil
	r.Incomplete = evil
	r.Stack = scan.Stack{Server: evil, Framework: evil, Evidence: evil}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Location.URL += evil
		f.Location.Method = evil
		f.Locations = nil
		f.Evidence, f.Repeat, f.Guard = evil, evil, evil
		f.Remediation = catalog.Remediation{Text: evil, Code: evil, Language: evil}
	}
	r.Skipped[0].Reason, r.Inconclusive[0].Reason = evil, evil
	r.Suppressed[0].Reason, r.Suppressed[0].Expires = evil, evil
	return r
}

func write(t *testing.T, format string, r *scan.Report, o report.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, format, r, o); err != nil {
		t.Fatalf("write %s: %v", format, err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*scan.Report{"sample": sample(), "clean": clean(), "unfinished": unfinished()} {
		for _, format := range report.Formats() {
			t.Run(name+"."+format, func(t *testing.T) {
				t.Parallel()
				got := write(t, format, r, report.Options{Explain: name == "sample", ToolVersion: "v1.0.0"})
				path := filepath.Join("testdata", name+"."+format)
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("differs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	if err := report.Write(io.Discard, "pdf", clean(), report.Options{}); err == nil || !strings.Contains(err.Error(), "text, json") {
		t.Errorf("got %v, want an error that names the formats", err)
	}
}

func TestJSONConformsToItsSchema(t *testing.T) {
	t.Parallel()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(report.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s := c.MustCompile("schema.json")
	for name, r := range map[string]*scan.Report{"sample": sample(), "clean": clean(), "unfinished": unfinished(), "hostile": hostile()} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(write(t, "json", r, report.Options{})))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spoil := range map[string]func(map[string]any){
		"no target":        func(m map[string]any) { delete(m, "target") },
		"null findings":    func(m map[string]any) { m["findings"] = nil },
		"odd grade":        func(m map[string]any) { m["grade"] = "E" },
		"unknown key":      func(m map[string]any) { m["token"] = "x" },
		"odd severity":     func(m map[string]any) { m["findings"].([]any)[0].(map[string]any)["severity"] = "bad" },
		"extra in finding": func(m map[string]any) { m["findings"].([]any)[0].(map[string]any)["token"] = "x" },
	} {
		var m map[string]any
		if err := json.Unmarshal([]byte(write(t, "json", sample(), report.Options{})), &m); err != nil {
			t.Fatal(err)
		}
		spoil(m)
		if s.Validate(m) == nil {
			t.Errorf("the schema takes a report with: %s", name)
		}
	}
}

func TestSARIFConformsToTheStandard(t *testing.T) {
	t.Parallel()
	standard := sarifSchema(t)
	for name, r := range map[string]*scan.Report{"sample": sample(), "clean": clean(), "unfinished": unfinished(), "hostile": hostile()} {
		out := write(t, "sarif", r, report.Options{Anchor: "openapi.yaml", Line: func(string, string) int { return 17 }})
		log, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := standard.Validate(log); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		noEmptyText(t, name, out)
	}
	out := write(t, "sarif", sample(), report.Options{Anchor: "openapi.yaml", Line: func(_, url string) int { return len(url) }})
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
				PartialFingerprints map[string]string
				Suppressions        []struct{ Kind string }
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &log); err != nil {
		t.Fatal(err)
	}
	suppressed := 0
	for _, res := range log.Runs[0].Results {
		if got := log.Runs[0].Tool.Driver.Rules[res.RuleIndex].ID; got != res.RuleID {
			t.Errorf("rule index points to %s, want %s", got, res.RuleID)
		}
		at := res.Locations[0].PhysicalLocation
		if at.ArtifactLocation.URI != "openapi.yaml" || at.Region.StartLine < 1 || res.PartialFingerprints["primaryLocationLineHash"] == "" {
			t.Errorf("result %s points to %+v", res.RuleID, at)
		}
		suppressed += len(res.Suppressions)
	}
	if suppressed != 1 {
		t.Errorf("got %d suppressed results, want 1", suppressed)
	}
}

// sarifSchema is the schema of the standard, which go-sarif carries in its
// source and checks only its own structs with.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "pkg/report/v210/sarif/schema.go"))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(source), "`")
	if len(parts) != 3 {
		t.Fatalf("schema.go has %d backticks, want 2", len(parts)-1)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(parts[1]))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("sarif.json")
}

// noEmptyText looks for what makes code scanning refuse an upload.
func noEmptyText(t *testing.T, name, out string) {
	t.Helper()
	if strings.Contains(out, `: ""`) {
		t.Errorf("%s: an empty string in SARIF", name)
	}
}

func TestJUnitIsXMLThatCounts(t *testing.T) {
	t.Parallel()
	type suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testsuite>testcase"`
	}
	for name, r := range map[string]*scan.Report{"sample": sample(), "clean": clean(), "unfinished": unfinished(), "hostile": hostile()} {
		var s suites
		if err := xml.Unmarshal([]byte(write(t, "junit", r, report.Options{})), &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got suites
		for _, c := range s.Cases {
			got.Tests++
			if c.Failure != nil {
				got.Failures++
			}
			if c.Error != nil {
				got.Errors++
			}
			if c.Skipped != nil {
				got.Skipped++
			}
		}
		if got.Tests != s.Tests || got.Failures != s.Failures || got.Errors != s.Errors || got.Skipped != s.Skipped {
			t.Errorf("%s: counted %+v, attributes say %+v", name, got, s)
		}
		if want := len(r.Findings); got.Failures != want {
			t.Errorf("%s: got %d failures, want %d", name, got.Failures, want)
		}
		if want := map[bool]int{true: 1}[r.Incomplete != ""]; got.Errors != want {
			t.Errorf("%s: got %d errors, want %d", name, got.Errors, want)
		}
	}
}

// TestHostileTargets holds every format to print nothing that its readers
// could take for a command.
func TestHostileTargets(t *testing.T) {
	t.Parallel()
	for _, format := range report.Formats() {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			out := write(t, format, hostile(), report.Options{})
			if !utf8.ValidString(out) {
				t.Error("not valid UTF-8")
			}
			for _, bad := range []string{"\x1b", "\x00", "\x08", "\a", "\u009b", "\u202e", "\u2028"} {
				if strings.Contains(out, bad) {
					t.Errorf("holds %q", bad)
				}
			}
			if format == "html" {
				for _, bad := range []string{"<script", "<img", "onclick=\"", "</style><", "]]>"} {
					if strings.Contains(strings.Replace(out, style(out), "", 1), bad) {
						t.Errorf("holds %q", bad)
					}
				}
			}
			if format == "text" {
				for line := range strings.SplitSeq(out, "\n") {
					if strings.HasPrefix(line, "::") {
						t.Errorf("a line that a build log would obey: %q", line)
					}
				}
			}
		})
	}
}

func style(out string) string {
	i, j := strings.Index(out, "<style>"), strings.Index(out, "</style>")
	return out[i : j+len("</style>")]
}

func TestTextFitsItsWidth(t *testing.T) {
	t.Parallel()
	for _, width := range []int{60, 80, 120} {
		for line := range strings.SplitSeq(write(t, "text", sample(), report.Options{Width: width}), "\n") {
			if n := utf8.RuneCountInString(line); n > width && strings.Count(strings.TrimSpace(line), " ") > 2 {
				t.Errorf("%d columns in a width of %d: %q", n, width, line)
			}
		}
	}
	if out := write(t, "text", sample(), report.Options{}); strings.Contains(out, "\x1b") {
		t.Error("colours without being asked for")
	}
	if out := write(t, "text", sample(), report.Options{Color: true}); !strings.Contains(out, "\x1b[1;31m") {
		t.Error("no colours although asked for")
	}
}

// full is a disk without room.
type full struct{ left int }

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

func TestFullDiskIsTold(t *testing.T) {
	t.Parallel()
	for _, format := range report.Formats() {
		if err := report.Write(&full{left: 100}, format, sample(), report.Options{}); !errors.Is(err, errFull) {
			t.Errorf("%s: got %v, want %v", format, err, errFull)
		}
	}
}
