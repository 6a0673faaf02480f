package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/guard"
)

// demoOptions says how a demonstration goes.
type demoOptions struct {
	once   bool
	listen string
	every  bool // a row for each forged token
	noScan bool // the attacks alone
	// change alters the guard's configuration before it starts. Nil: nothing.
	change func(*guard.Config)
}

// demoTime bounds the attacks as a whole.
const demoTime = 2 * time.Minute

func demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo [--once]",
		Short: "See it work: a weak API, attacked with and without the guard",
		Long: `Starts a deliberately weak API on loopback and scans it. Puts a guard before it,
with the configuration that the scan has written, and scans again through it.
Then throws every attack at both, and shows what each of them answered and
which of the guard's rules refused. All stays up to be tried, until Ctrl-C.

With --once it ends at once: exit 0 if the second scan found nothing of medium
or above, and the guard refused every attack and let every good request
through; 1 if not.`,
		Example: `  wiretight demo
  wiretight demo --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runDemo(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&o.once, "once", false, "end after the table")
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "the guard's `ADDR`, on loopback")
	cmd.Flags().BoolVar(&o.noScan, "no-scan", false, "the attacks alone, without the two scans")
	cmd.Flags().BoolVar(&o.every, "every", false, "a row for every forged token, not one for each kind")
	return cmd
}

// runDemo shows the table, and stays up until ctx ends unless it is to end at once.
func runDemo(ctx context.Context, o demoOptions, stdout, stderr io.Writer) error {
	if !loopbackAddr(o.listen) {
		return &exitError{exitUsage, fmt.Errorf("wiretight: --listen %s is not loopback; what stands behind the guard here is weak on purpose; write 127.0.0.1:PORT", o.listen)}
	}
	dir, err := os.MkdirTemp("", "wiretight-demo-")
	if err != nil {
		return &exitError{exitFailed, fmt.Errorf("wiretight: make a directory for the demonstration: %w", err)}
	}
	defer func() { _ = os.RemoveAll(dir) }() // only a test certificate is in it
	bed, err := newDemoBed(ctx, dir, o)
	if err != nil {
		return &exitError{exitFailed, fmt.Errorf("wiretight: start the demonstration: %w", err)}
	}
	defer bed.close()
	screen := newScreen(stdout)
	scanned := true
	if !o.noScan {
		loop, err := bed.runLoop(ctx)
		if err != nil {
			return &exitError{exitFailed, fmt.Errorf("wiretight: the demonstration did not end: %w", err)}
		}
		defer loop.close()
		loop.print(screen, bed)
		scanned = loop.ok()
	}
	attacking, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	report, err := bed.attack(attacking, o.every)
	if err != nil {
		return &exitError{exitFailed, fmt.Errorf("wiretight: the demonstration did not end: %w", err)}
	}
	report.print(screen, bed)
	if !o.once {
		if err := bed.stayUp(ctx, screen, stderr); err != nil {
			return &exitError{exitFailed, fmt.Errorf("wiretight: %w", err)}
		}
	}
	if !scanned {
		return &exitError{exitFindings, errors.New("wiretight: the scan through the guard still finds something of medium or above")}
	}
	if !report.ok() {
		return &exitError{exitFindings, errors.New("wiretight: the guard did not hold; the lines marked !! say where")}
	}
	return nil
}
