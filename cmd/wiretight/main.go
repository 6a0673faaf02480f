// Command wiretight keeps bearer tokens safe on the wire: guard protects an
// API, and the other verbs look after what it needs.
package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(withProgram(context.Background(), ownProgram()), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return complain(stderr, cmd, err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "wiretight",
		Short: "Keeps bearer tokens safe on the wire",
		Long: `Wiretight protects HTTP APIs whose callers carry JWT bearer tokens.

See it work:      wiretight demo --once
Protect an API:   wiretight guard --upstream http://127.0.0.1:8000`,
		Example: `  wiretight guard -c wiretight.yaml
  wiretight config check -c wiretight.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		guardCommand(),
		demoCommand(),
		scanCommand(),
		checksCommand(),
		baselineCommand(),
		diffCommand(),
		configCommand(),
		tokenCommand(),
		revokeCommand(),
		authorizerCommand(),
		usersCommand(),
		keysCommand(),
		hashPasswordsCommand(),
		versionCommand(),
	)
	polish(root)
	return root
}
