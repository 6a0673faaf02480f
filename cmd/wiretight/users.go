package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/issuer"
)

// userRequest is the body of the questions about users.
type userRequest struct {
	Name     string   `json:"name,omitempty"`
	Password string   `json:"password,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
	Enable   bool     `json:"enable,omitempty"`
}

// done is an answer without content.
type done struct{}

var (
	usersAdd = userQuestion("/users/add", func(ctx context.Context, u *issuer.Users, in userRequest) (done, error) {
		return done{}, u.Add(ctx, in.Name, in.Password, in.Scopes)
	})
	usersList = userQuestion("/users/list", func(ctx context.Context, u *issuer.Users, _ userRequest) ([]issuer.User, error) {
		return u.List(ctx)
	})
	usersPassword = userQuestion("/users/passwd", func(ctx context.Context, u *issuer.Users, in userRequest) (done, error) {
		return done{}, u.SetPassword(ctx, in.Name, in.Password)
	})
	usersDisable = userQuestion("/users/disable", func(ctx context.Context, u *issuer.Users, in userRequest) (done, error) {
		return done{}, u.SetDisabled(ctx, in.Name, !in.Enable)
	})
)

func userQuestion[Out any](path string, answer func(context.Context, *issuer.Users, userRequest) (Out, error)) request[userRequest, Out] {
	return request[userRequest, Out]{
		path: path,
		running: func(ctx context.Context, d *daemon, in userRequest) (Out, error) {
			if d.issuer == nil {
				var none Out
				return none, errNoIssuer
			}
			return answer(ctx, d.issuer.Users(), in)
		},
		alone: func(ctx context.Context, cfg *config.Config, s store.Store, in userRequest) (Out, error) {
			return answer(ctx, issuer.NewUsers(s, cfg.Issuer.AccessTTL, time.Now), in)
		},
	}
}

// errNoIssuer says that a guard runs, but not the issuer.
var errNoIssuer = errors.New("the guard that runs here has no issuer; write issuer: {enabled: true}")

// issuerRoutes adds to the control socket what concerns users and keys.
func (d *daemon) issuerRoutes(mux *http.ServeMux) {
	usersAdd.serve(d, mux)
	usersList.serve(d, mux)
	usersPassword.serve(d, mux)
	usersDisable.serve(d, mux)
	keysList.serve(d, mux)
	keysRotate.serve(d, mux)
	keysRetire.serve(d, mux)
}

func usersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "users add|list|passwd|disable",
		Short: "The issuer's users",
		Long:  "Adds and changes the users of the embedded issuer, in the guard that runs or, where none does, in its store.\nA changed password or a lock ends the user's sessions on every instance.",
		Example: `  wiretight users add alice --scope read --scope write
  printf %s "$PASSWORD" | wiretight users add bob --password-stdin
  wiretight users list`,
	}
	cmd.AddCommand(usersAddCommand(), usersListCommand(), usersPasswordCommand(), usersDisableCommand())
	return cmd
}

func usersAddCommand() *cobra.Command {
	var file, storeURL string
	var stdin bool
	var in userRequest
	cmd := &cobra.Command{
		Use:     "add NAME",
		Short:   "Add a user; asks for the password",
		Example: "  wiretight users add alice --scope read --scope write",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changePassword(cmd, file, storeURL, stdin, "add user", "added "+args[0], func(cfg *config.Config, password string) error {
				in.Name, in.Password = args[0], password
				_, err := usersAdd.ask(cmd, cfg, place(file, storeURL), in)
				return err
			})
		},
	}
	cmd.Flags().StringArrayVar(&in.Scopes, "scope", nil, "`SCOPE` that the user's tokens may have (repeatable)")
	passwordFlag(cmd, &stdin)
	stateFlags(cmd, &file, &storeURL)
	return cmd
}

func usersPasswordCommand() *cobra.Command {
	var file, storeURL string
	var stdin bool
	cmd := &cobra.Command{
		Use:     "passwd NAME",
		Short:   "Change a password and end the user's sessions",
		Example: "  wiretight users passwd alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changePassword(cmd, file, storeURL, stdin, "change user", "changed, and all sessions of "+args[0]+" ended", func(cfg *config.Config, password string) error {
				_, err := usersPassword.ask(cmd, cfg, place(file, storeURL), userRequest{Name: args[0], Password: password})
				return err
			})
		},
	}
	passwordFlag(cmd, &stdin)
	stateFlags(cmd, &file, &storeURL)
	return cmd
}

// changePassword finds the state, reads a password and hands both on.
func changePassword(cmd *cobra.Command, file, storeURL string, stdin bool, verb, said string, change func(*config.Config, string) error) error {
	cfg, err := stateOf(file, storeURL)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	password, err := readPassword(cmd, stdin)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("wiretight: %w", err)}
	}
	if err := change(cfg, password); err != nil {
		return failedTo(verb, err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
	return err
}

func usersListCommand() *cobra.Command {
	var file, storeURL string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List users and their scopes",
		Example: "  wiretight users list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := stateOf(file, storeURL)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			users, err := usersList.ask(cmd, cfg, place(file, storeURL), userRequest{})
			if err != nil {
				return failedTo("list users", err)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tSTATE\tPASSWORD SET\tSCOPES")
			for _, u := range users {
				state := "active"
				if u.Disabled {
					state = "disabled"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.Name, state, u.Changed.Format(time.RFC3339), strings.Join(u.Scopes, " "))
			}
			return w.Flush()
		},
	}
	stateFlags(cmd, &file, &storeURL)
	return cmd
}

func usersDisableCommand() *cobra.Command {
	var file, storeURL string
	var in userRequest
	cmd := &cobra.Command{
		Use:     "disable NAME",
		Short:   "Lock a user out and end all sessions",
		Example: "  wiretight users disable alice\n  wiretight users disable alice --undo",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := stateOf(file, storeURL)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			in.Name = args[0]
			if _, err := usersDisable.ask(cmd, cfg, place(file, storeURL), in); err != nil {
				return failedTo("disable user", err)
			}
			said := "disabled, and all sessions of " + args[0] + " ended"
			if in.Enable {
				said = args[0] + " may log in again"
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		},
	}
	cmd.Flags().BoolVar(&in.Enable, "undo", false, "let the user in again")
	stateFlags(cmd, &file, &storeURL)
	return cmd
}

func passwordFlag(cmd *cobra.Command, stdin *bool) {
	cmd.Flags().BoolVar(stdin, "password-stdin", false, "read the password from standard input")
}

// maxPasswordInput bounds what is read as a password; the issuer takes less.
const maxPasswordInput = 4 << 10

// readPassword reads a password from standard input, less one final newline,
// or asks for it twice on the terminal without showing it.
func readPassword(cmd *cobra.Command, stdin bool) (string, error) {
	if stdin {
		data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPasswordInput+1))
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		if len(data) > maxPasswordInput {
			return "", errors.New("the password on standard input is too long")
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", errors.New("there is no terminal to ask for the password; pipe it in with --password-stdin")
	}
	first, err := promptPassword(cmd, in, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := promptPassword(cmd, in, "Again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}

func promptPassword(cmd *cobra.Command, in *os.File, prompt string) (string, error) {
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	p, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(p), nil
}
