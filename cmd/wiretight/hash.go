package main

import (
	"context"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/issuer"
)

// hashVerb is the verb of processes that hash passwords for a guard.
const hashVerb = "hash-passwords"

type programKey struct{}

// withProgram says which program can be started for this one's own verbs. Tests
// that run a verb within their own process leave it out.
func withProgram(ctx context.Context, path string) context.Context {
	return context.WithValue(ctx, programKey{}, path)
}

// hashCommand makes a process that hashes passwords; nil if no program is known.
func hashCommand(ctx context.Context) func() *exec.Cmd {
	path, _ := ctx.Value(programKey{}).(string)
	if path == "" {
		return nil
	}
	return func() *exec.Cmd {
		cmd := exec.Command(path, hashVerb)
		cmd.Env = []string{"GOMAXPROCS=1"}
		return cmd
	}
}

func hashPasswordsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     hashVerb,
		Short:   "Hash passwords for the guard that starts this",
		Example: "  wiretight " + hashVerb,
		Hidden:  true,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failedTo("hash passwords", issuer.ServeHashes(cmd.InOrStdin(), cmd.OutOrStdout()))
		},
	}
}
