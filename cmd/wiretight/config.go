package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/internal/config"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration file, or print its schema",
		Example: `  wiretight config check -c wiretight.yaml
  wiretight config schema > wiretight.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return &exitError{exitUsage, errors.New("say what to do: wiretight config check, or wiretight config schema")}
		},
	}
	cmd.AddCommand(configCheckCommand(), configSchemaCommand())
	return cmd
}

func configCheckCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Tell every mistake of a configuration file",
		Long: `Reads the configuration and all files that it names, and tells every mistake
at once, each as FILE:LINE:COL: what is wrong; what to write instead. Nothing is
started. Exit 0: the guard would start with it; 2: it would not.`,
		Example: `  wiretight config check
  wiretight config check -c /etc/wiretight/wiretight.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file, config.Flags{})
			if err != nil {
				return &exitError{exitUsage, err}
			}
			for _, w := range c.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: %s\n", file, configSummary(c))
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultFile, "the configuration `FILE`")
	return cmd
}

func configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of the configuration file",
		Long:    "Prints the JSON Schema (draft 2020-12) of the configuration file, for editors\nand other tools.",
		Example: "  wiretight config schema > wiretight.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	}
}

// configSummary says in one line what a configuration protects, without any
// value that could be secret.
func configSummary(c *config.Config) string {
	parts := []string{
		"mode " + string(c.Guard.Mode),
		counted(len(c.Guard.Hosts), "host"),
		counted(len(c.Guard.Upstreams), "upstream"),
		counted(len(c.Guard.Tokens.Issuers), "token issuer"),
	}
	if c.Issuer.Enabled {
		parts = append(parts, "issuer on")
	}
	parts = append(parts, counted(len(c.Guard.Routes), "route"))
	if risks := c.Guard.AcceptRisk; len(risks) > 0 {
		parts = append(parts, "accepted risks "+strings.Join(risks, " "))
	} else {
		parts = append(parts, "no accepted risk")
	}
	return strings.Join(parts, ", ")
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
