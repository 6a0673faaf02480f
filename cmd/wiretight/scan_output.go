package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wiretight/wiretight/scan"
	"github.com/wiretight/wiretight/scan/report"
)

func checkFormat(format string) error {
	if !slices.Contains(report.Formats(), format) {
		return fmt.Errorf("--format %q; write one of %s", format, strings.Join(report.Formats(), ", "))
	}
	return nil
}

// write writes the report in every format.
func (in *scanInputs) write(cmd *cobra.Command, f *scanFlags, r *scan.Report) error {
	version, _ := buildVersion()
	for _, out := range in.outputs {
		o := report.Options{Explain: f.explain, Anchor: f.anchor, ToolVersion: version}
		if o.Anchor == "" && f.config.OpenAPIData != nil {
			o.Anchor, o.Line = f.config.OpenAPI, specLine(f.config.OpenAPIData, r)
		}
		w := cmd.OutOrStdout()
		if out.file != nil {
			w = out.file
		}
		if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			o.Color = os.Getenv("NO_COLOR") == ""
			if n, _, err := term.GetSize(int(file.Fd())); err == nil && n >= 40 {
				o.Width = min(n, 120)
			}
		}
		if err := report.Write(w, out.format, r, o); err != nil {
			return fmt.Errorf("write the report as %s: %w", out.format, err)
		}
		if out.file != nil {
			if err := out.commit(); err != nil {
				return err
			}
		}
	}
	return nil
}

// specLine finds the line of an operation in the text of a description: that of
// its method below that of its path.
func specLine(text []byte, r *scan.Report) func(method, url string) int {
	all := bytes.Split(text, []byte("\n"))
	return func(method, url string) int {
		path := ""
		for _, o := range r.Facts.Operations {
			if o.Method == method && (o.URL == url || strings.SplitN(url, "?", 2)[0] == strings.SplitN(o.URL, "?", 2)[0]) {
				path = o.Path
				break
			}
		}
		if path == "" {
			return 1
		}
		key := func(line []byte, name string) bool {
			s := strings.TrimLeft(string(line), " \t{,")
			for _, form := range []string{name + ":", `"` + name + `":`, `"` + name + `" :`, `'` + name + `':`} {
				if strings.HasPrefix(s, form) {
					return true
				}
			}
			return false
		}
		for i, line := range all {
			if !key(line, path) {
				continue
			}
			for j := i + 1; j < len(all); j++ {
				if key(all[j], strings.ToLower(method)) {
					return j + 1
				}
			}
			return i + 1
		}
		return 1
	}
}

// emitGuard writes the configuration, and beside it the secret that it needs, if
// that file is not there.
func emitGuard(cmd *cobra.Command, f *scanFlags, r *scan.Report) error {
	if r.Incomplete != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s is not written, since the scan is not complete\n", f.emit)
		return nil
	}
	emitted := scan.NewGuard(r, scan.Emit{})
	if err := os.WriteFile(f.emit, emitted.YAML, 0o644); err != nil {
		return fmt.Errorf("--emit-guard: %w", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s\n", f.emit)
	if emitted.SecretFile == "" {
		return nil
	}
	name := filepath.Join(filepath.Dir(f.emit), emitted.SecretFile)
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	secret, what := f.config.Secret.Reveal(), "with the secret of --secret"
	if len(secret) == 0 {
		random := make([]byte, 48)
		_, _ = rand.Read(random) // never fails
		secret, what = []byte(base64.RawURLEncoding.EncodeToString(random)), "with a new secret: give it to the API, or put the API's own there"
	}
	if err := os.WriteFile(name, append(secret, '\n'), 0o600); err != nil {
		return fmt.Errorf("--emit-guard: %w", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s %s\n", name, what)
	return nil
}
