// Command wiretight keeps bearer tokens safe on the wire: guard protects an
// API, and the other verbs look after what it needs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run executes one command line and returns its exit code.
func run(args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(os.Stderr, exit.err)
		}
		return exit.code
	}
	fmt.Fprintf(os.Stderr, "wiretight: %v\n", err)
	fmt.Fprintln(os.Stderr, "See wiretight --help.")
	return exitUsage
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "wiretight",
		Short:         "Keeps bearer tokens safe on the wire",
		Long:          "Wiretight protects HTTP APIs whose callers carry JWT bearer tokens.\n\nSee it work:      wiretight demo --once\nProtect an API:   wiretight guard --upstream http://127.0.0.1:8000",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		guardCommand(),
		configCommand(),
		tokenCommand(),
		revokeCommand(),
		versionCommand(),
	)
	return root
}
