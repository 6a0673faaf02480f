package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Looks at tokens",
		Example: `  wiretight token inspect < token.txt
  wiretight token inspect --format json -`,
	}
	cmd.AddCommand(tokenInspectCommand())
	return cmd
}

const (
	// maxInspected bounds what is read as a token.
	maxInspected = 64 << 10
	// guessTime bounds the search for a weak secret.
	guessTime = 10 * time.Second
)

func tokenInspectCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "inspect [TOKEN|-]",
		Short: "What a token says, and which checks it would fail",
		Long: `Shows header and claims of a token, says when it ends, whether the guard's
strict parser takes it, and which of the scanner's checks it would fail. Nothing
is sent anywhere, and neither the signature nor the whole token is printed.

Without an argument, or with -, the token is read from stdin. Prefer that: other
users of this machine can see arguments in the list of processes, and the shell
keeps them in its history.`,
		Example: `  wiretight token inspect < token.txt
  wiretight token inspect - --format json < token.txt
  pbpaste | wiretight token inspect`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("--format %q is unknown; write text or json", format)
			}
			raw, err := tokenText(cmd, args)
			if err != nil {
				return &exitError{exitUsage, fmt.Errorf("wiretight: %w", err)}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), guessTime)
			defer cancel()
			i, err := inspect(ctx, raw, time.Now())
			if err != nil {
				return &exitError{exitUsage, fmt.Errorf("wiretight: %w", err)}
			}
			if format == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				enc.SetEscapeHTML(false)
				return enc.Encode(i)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), i.text())
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`text|json`")
	return cmd
}

// tokenText is the argument, or what stdin holds, without what people copy
// along with a token.
func tokenText(cmd *cobra.Command, args []string) (string, error) {
	var raw string
	if len(args) == 1 && args[0] != "-" {
		raw = args[0]
	} else {
		in := cmd.InOrStdin()
		if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			fmt.Fprintln(cmd.ErrOrStderr(), "Paste a token, press Enter, then Ctrl-D.")
		}
		data, err := io.ReadAll(io.LimitReader(in, maxInspected+1))
		if err != nil {
			return "", fmt.Errorf("read token from stdin: %w", err)
		}
		raw = string(data)
	}
	if len(raw) > maxInspected {
		return "", fmt.Errorf("the token is longer than %d KiB; give one token, in compact form", maxInspected>>10)
	}
	raw = strings.Trim(strings.TrimSpace(raw), `"'`)
	if scheme, rest, ok := strings.Cut(raw, " "); ok && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP")) {
		raw = strings.TrimSpace(rest)
	}
	if raw == "" {
		return "", errors.New("there is no token; give it on stdin, as in: wiretight token inspect < token.txt")
	}
	return raw, nil
}
