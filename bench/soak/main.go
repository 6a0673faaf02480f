// Command soak runs several guards on one redis-server under mixed load, kills
// the server now and then, and counts what was promised: tokens that passed
// twice where they are good once, sessions that were lost, and how soon service
// returned. It exits 1 if a promise was broken, and 2 if it could not run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	report, err := soak(ctx, args, stderr)
	if report != nil {
		if err := report.Text(stdout); err != nil {
			fmt.Fprintln(stderr, "soak:", err)
			return 2
		}
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case report != nil && !report.Kept():
		fmt.Fprintln(stderr, "soak: a promise was broken")
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "soak:", err)
		return 2
	}
	return 0
}

func soak(ctx context.Context, args []string, stderr io.Writer) (*cluster.Report, error) {
	s := cluster.Soak{Say: func(text string) { fmt.Fprintln(stderr, time.Now().Format("15:04:05"), text) }}
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.DurationVar(&s.Duration, "duration", time.Minute, "how long the load lasts")
	fs.IntVar(&s.Guards, "guards", 2, "how many share the store")
	kills := fs.Int("kills", 3, "how often the store is killed")
	fs.DurationVar(&s.Down, "down", 3*time.Second, "how long it stays away each time")
	fs.IntVar(&s.Visitors, "visitors", 8, "clients that log in, refresh and log out")
	fs.IntVar(&s.Payers, "payers", 4, "clients that present one token everywhere at once")
	fs.IntVar(&s.Readers, "readers", 4, "clients that ask with good, forged and no tokens")
	fs.DurationVar(&s.Pause, "pause", 5*time.Millisecond, "between two steps of each client")
	fs.DurationVar(&s.Within, "within", time.Second, "how soon a revocation must hold everywhere")
	fs.StringVar(&s.Program, "wiretight", "", "the program; empty: build it from this tree")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if s.Kills = *kills; s.Kills == 0 {
		s.Kills = -1
	}
	if s.Pause == 0 {
		s.Pause = -1
	}
	if s.Program == "" {
		dir, err := os.MkdirTemp("", "wiretight-soak")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }() // a build, nothing else
		if s.Program, err = cluster.Build(ctx, ".", dir); err != nil {
			return nil, err
		}
	}
	return s.Run(ctx)
}
