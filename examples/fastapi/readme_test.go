package fastapi_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// example lines of the README: a command, and behind a number sign what comes
// of it.
var readmeLine = regexp.MustCompile(`(?m)^    (curl .*?|FORGED=\S+) *(?:# (.*))?$`)

// TestReadmeCommands runs every curl line of the README, in order, and looks
// for what stands behind it.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is missing; install it: sudo apt-get install curl")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	e := newExample(t, "weak")
	e.startGuard()
	ports := strings.NewReplacer("https://localhost:8443", e.url, "http://localhost:8080", e.plain, "http://localhost:8000", e.direct)
	variables := []string{"TOKEN=" + e.script("mint.py", "alice"), "CA=wiretight-data/ca.pem"}
	ran := 0
	for _, m := range readmeLine.FindAllStringSubmatch(string(readme), -1) {
		line, want := m[1], ports.Replace(m[2])
		if strings.HasPrefix(line, "FORGED=") {
			variables = append(variables, line)
			continue
		}
		want, _, _ = strings.Cut(strings.Trim(want, `"`), ", from now on")
		status, detail, numbered := strings.Cut(want, " ")
		switch {
		case want == "one by one":
			status, detail = "200", "data: "
		case len(status) != 3 || !numbered:
			status, detail = "", want
		}
		shell := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(ports.Replace(line), "curl ", "curl -s --max-time 20 -w '\n%{http_code}\n' ", 1))
		shell.Dir = e.dir
		shell.Env = append(os.Environ(), variables...)
		out, err := shell.CombinedOutput()
		if err != nil || !strings.Contains(strings.ToLower(string(out)), strings.ToLower(detail)) || !strings.HasSuffix(string(out), status+"\n") {
			t.Errorf("%s\ngot %v\n%s\nwant %s", line, err, out, want)
		}
		ran++
	}
	if ran < 9 {
		t.Errorf("found %d commands in the README, want more", ran)
	}
}
