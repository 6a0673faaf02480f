package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/internal/testproc"
)

// TestScripts runs testdata/script. Besides testscript's own commands there are
//
//	exits CODE PROGRAM ARGS…   runs, and compares the exit code
//	narrow stdout|stderr       no line is wider than a terminal
//	mint FILE SECRET CLAIMS [HEADER]   an HS256 token; $NOW+5m in CLAIMS is a time
func TestScripts(t *testing.T) {
	t.Parallel()
	path := binary(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(path)+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "narrow": narrow, "mint": mintFile,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case err == nil && want == 0:
	case err == nil:
		ts.Fatalf("got exit 0, want %d", want)
	case errors.As(err, &exit) && exit.ExitCode() == want:
	default:
		ts.Fatalf("got %v, want exit %d", err, want)
	}
	for _, name := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(name), "\x1b") {
			ts.Fatalf("%s of %v holds an escape sequence although it is no terminal", name, args[1:])
		}
	}
}

func narrow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: narrow stdout|stderr")
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
			ts.Fatalf("a line of %d columns: %s", n, line)
		}
	}
}

func mintFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: mint FILE SECRET CLAIMS [HEADER]")
	}
	header := `{"alg":"HS256","typ":"JWT"}`
	if len(args) > 3 {
		header = args[3]
	}
	text := hmacToken(args[1], header, withTimes(args[2]))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text+"\n"), 0o600))
}

// withTimes puts Unix seconds in the place of $NOW+5m and the like.
func withTimes(claims string) string {
	for {
		before, rest, ok := strings.Cut(claims, "$NOW")
		if !ok {
			return claims
		}
		end := strings.IndexAny(rest, ",}")
		d, err := time.ParseDuration(rest[:end])
		if err != nil {
			d = 0
		}
		claims = before + strconv.FormatInt(time.Now().Add(d).Unix(), 10) + rest[end:]
	}
}

func hmacToken(secret, header, claims string) string {
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(claims))
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(signed))
	return signed + "." + enc.EncodeToString(m.Sum(nil))
}

// TestEveryVerbHelps walks all commands: each says what it does, shows an
// example, and fits a terminal.
func TestEveryVerbHelps(t *testing.T) {
	t.Parallel()
	root := rootCommand()
	var paths [][]string
	each(root, func(c *cobra.Command) {
		if c.IsAvailableCommand() {
			paths = append(paths, strings.Fields(c.CommandPath())[1:])
		}
	})
	if len(paths) < 12 {
		t.Fatalf("got %d commands, want all of them", len(paths))
	}
	for _, path := range paths {
		t.Run(strings.Join(path, " "), func(t *testing.T) {
			t.Parallel()
			var out, diag testproc.Output
			if code := run(t.Context(), append(path, "--help"), strings.NewReader(""), &out, &diag); code != 0 || diag.String() != "" {
				t.Fatalf("got exit %d, stderr %q", code, diag.String())
			}
			text := out.String()
			if !strings.Contains(text, "\nExamples:\n  ") {
				t.Errorf("got %q, want an example", text)
			}
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
					t.Errorf("got a line of %d columns: %s", n, line)
				}
			}
		})
	}
}

func TestInspectGivesJSON(t *testing.T) {
	t.Parallel()
	raw := hmacToken("secret", `{"alg":"HS256"}`, `{"sub":"x","sub":"y","deep":{"password":"hunter22"}}`)
	var out, diag testproc.Output
	if code := run(t.Context(), []string{"token", "inspect", "--format", "json"}, strings.NewReader(raw), &out, &diag); code != 0 {
		t.Fatalf("got exit %d, %q", code, diag.String())
	}
	var got struct {
		Token        string          `json:"token"`
		Claims       json.RawMessage `json:"claims"`
		StrictParser struct {
			WellFormed bool `json:"well_formed"`
			Reason     string
		} `json:"strict_parser"`
		Findings []struct{ ID, Severity, Title, Detail string }
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.StrictParser.WellFormed || got.StrictParser.Reason == "" {
		t.Errorf("got %+v for a member twice, want it refused", got.StrictParser)
	}
	if strings.Count(string(got.Claims), `"sub"`) != 2 {
		t.Errorf("got claims %s, want both subs", got.Claims)
	}
	if strings.Contains(out.String(), "hunter22") || strings.Contains(out.String(), strings.Split(raw, ".")[2]) || !strings.Contains(got.Token, "…") {
		t.Errorf("got %s, want neither password nor signature", out.String())
	}
	ids := []string{}
	for _, f := range got.Findings {
		ids = append(ids, f.ID)
		if f.Title == "" || f.Severity == "" || f.Detail == "" {
			t.Errorf("got %+v, want a title, a severity and a sentence", f)
		}
	}
	if want := "jwt.weak-secret jwt.no-expiry jwt.missing-claims jwt.sensitive-claims"; strings.Join(ids, " ") != want {
		t.Errorf("got findings %v, want %s", ids, want)
	}
}
