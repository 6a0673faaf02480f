// Command scale measures what a guard and its redis-server pay for each
// revocation, session and instance, and prints the table of docs/scale.md. It
// needs Linux, Go and Debian's redis-server, and takes about five minutes on two
// cores with nothing else to do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wiretight/wiretight/internal/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// sizes is a flag of numbers, as 10000,100000.
type sizes []int

func (s *sizes) String() string {
	texts := make([]string, len(*s))
	for i, n := range *s {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}

// Set implements flag.Value.
func (s *sizes) Set(text string) error {
	*s = nil
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 || len(*s) > 0 && n <= (*s)[len(*s)-1] {
			return errors.New("write growing numbers, as 10000,100000")
		}
		*s = append(*s, n)
	}
	return nil
}

// scale is what is measured, and where.
type scale struct {
	program     string
	dir         string
	revocations sizes
	sessions    sizes
	guards      sizes
	bolt        sizes
	window      time.Duration // of each measurement of a rate
	rounds      int
	asks        int           // refreshes a round; of the other kinds in proportion
	settle      time.Duration // before memory is read
	say         func(format string, args ...any)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s := scale{
		revocations: sizes{10_000, 100_000, 1_000_000}, sessions: sizes{10_000, 100_000, 1_000_000},
		guards: sizes{1, 2, 4}, bolt: sizes{10_000, 100_000},
	}
	fs := flag.NewFlagSet("scale", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Var(&s.revocations, "revocations", "how many lie in redis")
	fs.Var(&s.sessions, "sessions", "how many lie in redis")
	fs.Var(&s.guards, "guards", "how many share one redis")
	fs.Var(&s.bolt, "bolt", "how many revocations lie in a bolt file")
	fs.DurationVar(&s.window, "window", 4*time.Second, "how long each rate is measured")
	fs.IntVar(&s.rounds, "rounds", 3, "how often; the table has the medians")
	fs.IntVar(&s.asks, "requests", 1000, "how many refreshes a round; a 16th of it logins, five times as many ordinary requests")
	fs.DurationVar(&s.settle, "settle", 5*time.Second, "how long guards are left alone before their memory is read")
	fs.StringVar(&s.program, "wiretight", "", "the program; empty: build it from this tree")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 || s.rounds < 2 || s.asks < 1 || s.window <= 0 || s.settle < 0 {
		return errors.New("write flags alone, at least two -rounds, one of -requests, and a -window of some length")
	}
	s.say = func(format string, args ...any) {
		fmt.Fprintf(stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "wiretight-scale"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(s.dir) }() // nothing in it is needed any more
	if s.program == "" {
		if s.program, err = cluster.Build(ctx, ".", s.dir); err != nil {
			return err
		}
	}
	return s.measure(ctx, stdout)
}

// measure prints each part as soon as it is there.
func (s *scale) measure(ctx context.Context, w io.Writer) error {
	before := load()
	for _, part := range []func(context.Context) (*table, error){
		s.manyRevocations, s.manySessions, s.manyGuards, s.requests, s.manyInBolt,
	} {
		t, err := part(ctx)
		if t != nil {
			if err := t.write(w); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s\n", place(before))
	return err
}
