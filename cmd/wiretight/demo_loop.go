package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/lab"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
	"github.com/wiretight/wiretight/scan/checks"
	"github.com/wiretight/wiretight/scan/report"
)

// demoLoop is the other half of the demonstration: scan the weak API, start a
// guard with the configuration that the scan has written, and scan through it.
type demoLoop struct {
	weak, guarded *scan.Report
	daemon        *daemon
	base          string // of the guard
	yaml          string // the configuration's file
	pages         [2]string
}

// demoUser is who logs in at both.
const demoUser = "alice"

// runLoop scans, guards and scans again. The guard stays up until close.
func (b *demoBed) runLoop(ctx context.Context) (l *demoLoop, err error) {
	l = &demoLoop{yaml: filepath.Join(b.dir, "wiretight.yaml")}
	login, err := json.Marshal(map[string]string{"username": demoUser, "password": lab.Users()[demoUser]})
	if err != nil {
		return l, err
	}
	l.weak, err = scan.Run(ctx, scan.Config{URL: b.lab.URL, LoginURL: "/login", LoginJSON: string(login)}, checks.All())
	if err != nil {
		return l, fmt.Errorf("scan the weak API: %w", err)
	}
	if err := l.start(ctx, b); err != nil {
		l.close()
		return l, fmt.Errorf("start the guard with what the scan has written: %w", err)
	}
	l.guarded, err = scan.Run(ctx, scan.Config{
		URL: l.base, CA: b.guarded.roots, LoginURL: "/auth/login", LoginJSON: string(login),
		RefreshURL: "/auth/refresh", LogoutURL: "/auth/logout", Protected: []string{"/profile", "/items"},
	}, checks.All())
	if err != nil {
		l.close()
		return l, fmt.Errorf("scan through the guard: %w", err)
	}
	return l, l.writePages(b.dir)
}

// start runs the guard with the emitted configuration, as a user would.
func (l *demoLoop) start(ctx context.Context, b *demoBed) error {
	secure, err := freeLoopback(ctx)
	if err != nil {
		return err
	}
	plain, err := freeLoopback(ctx)
	if err != nil {
		return err
	}
	emitted := scan.NewGuard(l.weak, scan.Emit{Listen: secure, Plaintext: plain, Hosts: []string{"localhost"}})
	if err := os.WriteFile(l.yaml, emitted.YAML, 0o600); err != nil {
		return err
	}
	cfg, err := config.Load(l.yaml, config.Flags{Store: "bolt://" + filepath.Join(b.dir, "guard", "state.db")})
	if err != nil {
		return err
	}
	cfg.TLS.Dev.Dir = b.dir // one CA for both guards of the demonstration
	// A scan shows hundreds of bad tokens. Below the limit it would only see 429.
	cfg.Guard.RateLimit.AuthFailures = guard.Rate{Count: 1 << 20, Per: time.Minute}
	l.daemon = &daemon{cfg: cfg, logger: slog.New(redact.NewHandler(slog.DiscardHandler)), stderr: newLogWriter(io.Discard, lostLines(cfg.Log))}
	if err := l.daemon.start(ctx); err != nil {
		return err
	}
	l.base = "https://" + localhost(l.daemon.server.Addr("https"))
	if l.daemon.issuer == nil {
		return errNoIssuer
	}
	if err := l.daemon.issuer.Users().Add(ctx, demoUser, lab.Users()[demoUser], []string{"read", "write"}); err != nil {
		return err
	}
	return l.moveLogins(ctx, b, cfg.Issuer)
}

// moveLogins is the one change that the API itself needs: it takes the tokens
// of the guard's issuer, by its published keys.
func (l *demoLoop) moveLogins(ctx context.Context, b *demoBed, c config.Issuer) error {
	res, err := b.guarded.do(ctx, ask{base: l.base, path: "/.well-known/jwks.json"})
	if err != nil {
		return err
	}
	if !res.success() {
		return fmt.Errorf("the guard's key set was answered %d", res.status)
	}
	return b.lab.Trust(c.URL, c.Audience, []byte(res.body))
}

// freeLoopback is an address that nobody listened on a moment ago. The guard's
// own URL stands in its configuration, so the port must be known before.
func freeLoopback(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (l *demoLoop) close() {
	if l.daemon == nil {
		return
	}
	if l.daemon.server != nil {
		_ = l.daemon.server.Shutdown(0) // nobody waits for an answer any more
	}
	l.daemon.close()
	_ = l.daemon.stderr.Close() // nobody reads it
}

// writePages writes both reports as pages.
func (l *demoLoop) writePages(dir string) error {
	for i, r := range []*scan.Report{l.weak, l.guarded} {
		l.pages[i] = filepath.Join(dir, []string{"weak.html", "guarded.html"}[i])
		f, err := os.OpenFile(l.pages[i], os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		version, _ := buildVersion()
		if err := report.Write(f, "html", r, report.Options{ToolVersion: version}); err != nil {
			_ = f.Close() // the first error says more
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// ok reports whether nothing of medium or above is left behind the guard.
func (l *demoLoop) ok() bool {
	return l.guarded.Incomplete == "" && !slices.ContainsFunc(l.guarded.Findings, func(f scan.Finding) bool { return f.Severity.Rank() >= 2 })
}

// print shows both reports side by side.
func (l *demoLoop) print(s *screen, b *demoBed) {
	fmt.Fprintf(s.w, "%s\n\n", s.paint(bold, "Scanned before and behind the guard"))
	row := func(name, weak, guarded string) { fmt.Fprintf(s.w, "  %-28s %-22s %s\n", name, weak, guarded) }
	row("", "weak API", "through the guard")
	row("grade", gradeOf(l.weak), gradeOf(l.guarded))
	row("findings", fmt.Sprint(len(l.weak.Findings)), fmt.Sprint(len(l.guarded.Findings)))
	row("passed, skipped, not decided", outcomes(l.weak), outcomes(l.guarded))
	row("requests, time", effort(l.weak), effort(l.guarded))
	fmt.Fprintln(s.w)
	fmt.Fprintf(s.w, "  %-29s %-8s %-9s %s\n", "weakness", "before", "behind", "closed by")
	after := map[string]string{}
	for _, id := range l.guarded.Passed {
		after[id] = "passed"
	}
	for _, u := range l.guarded.Skipped {
		after[u.ID] = "n/a"
	}
	for _, u := range l.guarded.Inconclusive {
		after[u.ID] = "undecided"
	}
	for _, f := range l.guarded.Findings {
		after[f.ID] = string(f.Severity)
	}
	for _, f := range l.weak.Findings {
		closed := f.Guard
		if closed == "" || strings.Contains(closed, " ") {
			closed = ""
		}
		fmt.Fprintf(s.w, "  %-29s %-8s %-9s %s\n", f.ID, f.Severity, after[f.ID], closed)
	}
	for _, f := range l.guarded.Findings {
		if !slices.ContainsFunc(l.weak.Findings, func(w scan.Finding) bool { return w.ID == f.ID }) {
			fmt.Fprintf(s.w, "  %-29s %-8s %s\n", f.ID, "-", f.Severity)
		}
	}
	for _, u := range l.guarded.Inconclusive {
		fmt.Fprintf(s.w, "  %-29s undecided: %s\n", u.ID, u.Reason)
	}
	fmt.Fprintf(s.w, "\n  before  %s\n          file://%s\n  behind  %s\n          file://%s\n  by      %s\n\n", b.lab.URL, l.pages[0], l.base, l.pages[1], l.yaml)
}

func gradeOf(r *scan.Report) string {
	if r.Grade == nil || r.Score == nil {
		return "none: " + r.Incomplete
	}
	return fmt.Sprintf("%s, %d of 100", *r.Grade, *r.Score)
}

func outcomes(r *scan.Report) string {
	return fmt.Sprintf("%d, %d, %d", len(r.Passed), len(r.Skipped), len(r.Inconclusive))
}

func effort(r *scan.Report) string {
	return fmt.Sprintf("%d, %.1f s", r.Requests, float64(r.DurationMS)/1000)
}
