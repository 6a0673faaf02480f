package main

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/internal/redact"
)

// Exit codes, the same for every verb.
const (
	exitFindings = 1 // the command worked, and what it found is bad
	exitUsage    = 2 // the command line or a configuration is wrong
	exitFailed   = 3 // the command could not do its work
)

// exitError ends the process with code, after err was printed if there is one.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// complain says on w why cmd ended as it did, and gives the exit code. What
// users typed comes back masked: a token in the wrong place is still a token.
func complain(w io.Writer, cmd *cobra.Command, err error) int {
	var exit *exitError
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(w, redact.Mask(exit.err.Error()))
		}
		return exit.code
	case errors.As(err, &errno): // as a full disk under stdout
		fmt.Fprintf(w, "wiretight: %s\n", redact.Mask(err.Error()))
		return exitFailed
	}
	fmt.Fprintf(w, "wiretight: %s\n", redact.Mask(err.Error()))
	fmt.Fprintf(w, "See %s --help.\n", cmd.CommandPath())
	return exitUsage
}
