package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
	"github.com/wiretight/wiretight/scan/checks"
)

// scanFlags is the command line of scan as it was typed.
type scanFlags struct {
	token, tokenFile, other, expired, secret string
	config                                   scan.Config
	wordlist, ca, baseline, rate             string
	formats, outputs                         []string
	anchor, emit, failOn                     string
	failUnder                                int
	explain                                  bool
}

func scanCommand() *cobra.Command {
	var f scanFlags
	cmd := &cobra.Command{
		Use:   "scan URL",
		Short: "Finds what an attacker on the path would find",
		Long: `Tries a running API as an attacker would, and reports each weakness with its
evidence and its fix. What needs a token or a login is skipped without one.

A token on the command line can be read by every user of this machine: give it
with --token-file FILE, or --token-file - for standard input. The values of
--other-token, --expired-token, --secret, --login-data and --login-json may be
@FILE as well. Tokens are sent only over TLS whose certificate is trusted, or
to loopback.

Exit 0: nothing at or above --fail-on; 1: findings; 2: wrong usage; 3: the
target cannot be reached, or the scan is not complete.`,
		Example: `  wiretight scan https://api.example.com --token-file token.txt
  wiretight scan http://127.0.0.1:8000 --login-url /token --login-data @form.txt
  wiretight scan https://api.example.com --format sarif --output scan.sarif
  wiretight scan http://127.0.0.1:8000 --emit-guard wiretight.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runScan(cmd, args, &f) },
	}
	f.declare(cmd)
	return cmd
}

func (f *scanFlags) declare(cmd *cobra.Command) {
	s, c := cmd.Flags(), &f.config
	s.SortFlags = false
	s.StringVar(&f.token, "token", "", "a genuine access `TOKEN` (visible to other users; prefer --token-file)")
	s.StringVar(&f.tokenFile, "token-file", "", "`FILE` with a genuine access token; - is standard input")
	s.StringVar(&f.other, "other-token", "", "a genuine `TOKEN` of the same issuer for another audience, or @FILE")
	s.StringVar(&f.expired, "expired-token", "", "a `TOKEN` that has expired, or @FILE")
	s.StringVar(&c.LoginURL, "login-url", "", "`PATH` that gives tokens")
	s.StringVar(&c.LoginData, "login-data", "", "`FORM` for it, as username=u&password=p, or @FILE")
	s.StringVar(&c.LoginJSON, "login-json", "", "`JSON` for it, or @FILE")
	s.StringVar(&c.RefreshURL, "refresh-url", "", "`PATH` that refreshes (default: looked for)")
	s.StringVar(&c.LogoutURL, "logout-url", "", "`PATH` that logs out (default: looked for)")
	s.StringArrayVar(&c.Protected, "protected", nil, "`PATH` that needs a token (repeatable)")
	s.StringVar(&c.OpenAPI, "openapi", "", "`URL` or file of the API's description (default: looked for)")
	s.StringVar(&c.Origin, "origin", "", "an `ORIGIN` that may read answers, as https://app.example.com")
	s.StringVar(&f.secret, "secret", "", "the `SECRET` that signs tokens, or @FILE (default: guessed)")
	s.StringVar(&f.wordlist, "wordlist", "", "`FILE` of more secrets to guess, one a line")
	s.StringVar(&f.ca, "ca", "", "PEM `FILE` of authorities to trust beside the system's")
	s.StringArrayVar(&c.Resolve, "resolve", nil, "`HOST:PORT:ADDR` to connect elsewhere (repeatable)")
	s.StringSliceVar(&c.Only, "only", nil, "only these checks, by `ID` or area (repeatable)")
	s.StringSliceVar(&c.Skip, "skip", nil, "not these checks, by `ID` or area (repeatable)")
	s.StringVar(&f.baseline, "baseline", "", "`FILE` of accepted findings")
	s.StringVar(&f.rate, "rate", "", "requests a second, as `N/s` (default: 20/s, no limit on loopback)")
	s.DurationVar(&c.Timeout, "timeout", 5*time.Second, "time for each request")
	s.BoolVar(&c.Passive, "passive", false, "send only what an ordinary client would")
	s.BoolVar(&c.Intrusive, "intrusive", false, "also what may change state or slow the target down")
	s.BoolVar(&c.Strict, "strict", false, "judge a target on loopback as if it were public")
	s.StringVar(&c.Callback, "callback", "", "`HOST:PORT` here that the target can reach")
	s.StringArrayVar(&f.formats, "format", nil, "text, json, sarif, junit or html (repeatable, each with --output)")
	s.StringArrayVar(&f.outputs, "output", nil, "`FILE` for the format of the same place; - is standard output")
	s.StringVar(&f.anchor, "sarif-anchor", "", "`FILE` that SARIF results point to (default: the description, or wiretight.yaml)")
	s.BoolVar(&f.explain, "explain-score", false, "say how the score came about")
	s.StringVar(&f.failOn, "fail-on", "low", "exit 1 at findings from critical, high, medium or low, or none")
	s.IntVar(&f.failUnder, "fail-under", 0, "exit 1 if the score is under `SCORE`")
	s.StringVar(&f.emit, "emit-guard", "", "write a guard configuration that closes the findings to `FILE`")
}

// runScan is the verb: everything that can be wrong about the command line is
// told before the first request.
func runScan(cmd *cobra.Command, args []string, f *scanFlags) error {
	if len(args) == 0 {
		return &exitError{exitUsage, errors.New("wiretight: no URL; say what to scan, as https://api.example.com")}
	}
	f.config.URL = args[0]
	in, err := f.read(cmd)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("wiretight: scan: %w", err)}
	}
	defer in.discard()
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // a second signal ends the program at once
		<-ctx.Done()
		stop()
	}()
	bar := progress(cmd)
	f.config.Progress = bar.show
	r, err := scan.Run(ctx, f.config, checks.All())
	bar.clear()
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("wiretight: scan: %w", err)}
	}
	return f.conclude(cmd, in, r)
}

// conclude writes what was asked for, and finds the exit code.
func (f *scanFlags) conclude(cmd *cobra.Command, in *scanInputs, r *scan.Report) error {
	if f.emit != "" {
		if err := emitGuard(cmd, f, r); err != nil {
			return &exitError{exitFailed, fmt.Errorf("wiretight: scan: %w", err)}
		}
	}
	for _, a := range in.baseline.Apply(r, time.Now()) {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: the baseline entry of %s expired on %s and accepts nothing\n", a.ID, a.Expires)
	}
	if err := in.write(cmd, f, r); err != nil {
		return &exitError{exitFailed, fmt.Errorf("wiretight: scan: %w", err)}
	}
	switch {
	case r.Incomplete != "":
		return &exitError{exitFailed, fmt.Errorf("wiretight: the scan is not complete: %s", r.Incomplete)}
	case r.Reaches(catalog.Severity(f.failOn)):
		return &exitError{code: exitFindings}
	case r.Score != nil && *r.Score < f.failUnder:
		return &exitError{exitFindings, fmt.Errorf("wiretight: the score is %d, under %d", *r.Score, f.failUnder)}
	}
	return nil
}

// checkSeverity tells whether --fail-on is one of its words.
func checkSeverity(s string) error {
	if s == "none" || s != string(catalog.Info) && catalog.Severity(s).Rank() >= 0 {
		return nil
	}
	return fmt.Errorf("--fail-on %q; write critical, high, medium, low or none", s)
}

// readRate reads N/s, N/m or a number.
func readRate(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || !(n > 0) || n > 1e6 || (unit != "" && unit != "s" && unit != "m"):
		return 0, fmt.Errorf("--rate %q; write requests a second, as 10/s", s)
	case unit == "m":
		n /= 60
	}
	return n, nil
}

// bar is a line on the terminal that says how far the scan is.
type bar struct {
	cmd *cobra.Command
	on  bool
}

func progress(cmd *cobra.Command) *bar {
	f, ok := cmd.ErrOrStderr().(*os.File)
	return &bar{cmd, ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"}
}

func (b *bar) show(done, total int, id string) {
	if b.on {
		fmt.Fprintf(b.cmd.ErrOrStderr(), "\r\x1b[K%d of %d checks  %s", done, total, id)
	}
}

func (b *bar) clear() {
	if b.on {
		fmt.Fprint(b.cmd.ErrOrStderr(), "\r\x1b[K")
	}
}
