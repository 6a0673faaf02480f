package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runConfig runs the verb and gives its exit code, stdout and stderr.
func runConfig(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, diag bytes.Buffer
	cmd := configCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&diag)
	cmd.SetArgs(append([]string{}, args...)) // nil would be the test's own
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		return exit.code, out.String(), diag.String() + exit.Error()
	case err != nil:
		return 1, out.String(), diag.String() + err.Error()
	}
	return 0, out.String(), diag.String()
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "wiretight.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConfigCheckTellsEveryMistake(t *testing.T) {
	t.Parallel()
	file := writeConfig(t, "tls: {dev: true}\nmod: enforce\nhosts: ['*']\nupstreams: [{name: a, url: 'http://10.0.0.1'}]\n")
	code, stdout, stderr := runConfig(t, "check", "-c", file)
	if code != 2 || stdout != "" {
		t.Errorf("got exit %d with stdout %q, want 2 and nothing", code, stdout)
	}
	for _, want := range []string{":2:1: unknown key \"mod\"", ":3:9: \"*\" is no host", ":4:28: url would carry tokens"} {
		if !strings.Contains(stderr, file+want) {
			t.Errorf("got stderr %q, want a line with %q", stderr, want)
		}
	}
}

func TestConfigCheckOfMissingFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "none.yaml")
	code, _, stderr := runConfig(t, "check", "-c", file)
	if code != 2 || !strings.Contains(stderr, file+": cannot be read: there is no such file") {
		t.Errorf("got exit %d, %q; want 2 and the file's name", code, stderr)
	}
}

func TestConfigCheckOfGoodFile(t *testing.T) {
	t.Parallel()
	file := writeConfig(t, "tls: {dev: true}\naccept_risk: [jwt.no-expiry]\nupstreams: [{name: a, url: 'http://127.0.0.1:8000'}]\nissuer: {enabled: true}\n")
	code, stdout, stderr := runConfig(t, "check", "-c", file)
	want := file + ": ok: mode enforce, 3 hosts, 1 upstream, 0 token issuers, issuer on, 0 routes, accepted risks jwt.no-expiry\n"
	if code != 0 || stdout != want {
		t.Errorf("got exit %d, %q; want 0, %q", code, stdout, want)
	}
	if !strings.HasPrefix(stderr, "warning: "+file+":2:15: ") {
		t.Errorf("got stderr %q, want a warning about the unneeded risk", stderr)
	}
}

func TestConfigSchemaIsJSON(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := runConfig(t, "schema")
	var schema map[string]any
	if err := json.Unmarshal([]byte(stdout), &schema); code != 0 || stderr != "" || err != nil {
		t.Fatalf("got exit %d, stderr %q, %v; want a JSON document", code, stderr, err)
	}
	if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("got $schema %v, want draft 2020-12", schema["$schema"])
	}
}

func TestConfigWithoutVerbIsAUsageError(t *testing.T) {
	t.Parallel()
	if code, _, stderr := runConfig(t); code != 2 || !strings.Contains(stderr, "config check") {
		t.Errorf("got exit %d, %q; want 2 and what to write", code, stderr)
	}
}
