package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// freshEvery is how often the token that curl reads is made anew. It is good
// for five minutes.
const freshEvery = time.Minute

// stayUp shows lines to try, and keeps the token in them good until ctx ends.
// The token itself goes into a file for curl's -H @FILE, not on the screen.
func (b *demoBed) stayUp(ctx context.Context, s *screen, stderr io.Writer) error {
	if err := b.writeTokens(); err != nil {
		return err
	}
	s.line("")
	s.line(s.paint(bold, "Try it, in another terminal (Ctrl-C ends this):"))
	for _, try := range b.tries() {
		s.line(try.printable())
	}
	tick := time.NewTicker(freshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-b.server.Failed():
			return err
		case <-tick.C:
			if err := b.writeTokens(); err != nil {
				fmt.Fprintln(stderr, "wiretight: a fresh token could not be written:", err)
			}
		}
	}
}

// try is one command to paste.
type try struct{ what, command string }

func (b *demoBed) tries() []try {
	file := func(name string) string { return filepath.Join(b.dir, name) }
	curl := "curl -si --cacert " + file("ca.pem")
	good, forged := " -H @"+file("token"), " -H @"+file("unsigned")
	return []try{
		{"A good token: 200", curl + good + " " + b.guarded.base + "/profile"},
		{"No token: 401", curl + " " + b.guarded.base + "/profile"},
		{"An unsigned token: 200 at the weak API, 401 at the guard", "curl -si" + forged + " " + b.weak.base + "/profile"},
		{"", curl + forged + " " + b.guarded.base + "/profile"},
		{"An error that echoes the token: redacted by the guard", "curl -si" + good + " " + b.weak.base + "/items/99"},
		{"", curl + good + " " + b.guarded.base + "/items/99"},
		{"Events, cut when the token ends", "curl -sN --cacert " + file("ca.pem") + good + " " + b.guarded.base + "/events"},
		{"Another site's preflight: 403", curl + " -X OPTIONS -H 'Origin: https://evil.example' -H 'Access-Control-Request-Method: GET' " + b.guarded.base + "/profile"},
		{"The token in clear: 403, and it is burnt (a fresh one comes within a minute)", "curl -si" + good + " " + b.guarded.plain + "/profile"},
	}
}

// writeTokens writes a good token and an unsigned one, as header lines.
func (b *demoBed) writeTokens() error {
	good := b.mint(nil)
	m, err := b.material()
	if err != nil {
		return err
	}
	for name, raw := range map[string]string{"token": good, "unsigned": unsignedToken(m)} {
		path := filepath.Join(b.dir, name)
		if err := os.WriteFile(path+".new", []byte("Authorization: Bearer "+raw+"\n"), 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}

// printable is a command as it is shown: one without a remark follows the one
// before it.
func (t try) printable() string {
	if t.what == "" {
		return t.command
	}
	return "\n# " + t.what + "\n" + t.command
}
