package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/issuer"
)

// keyRequest is the body of the questions about keys.
type keyRequest struct {
	ID  string `json:"kid,omitempty"`
	Now bool   `json:"now,omitempty"`
}

var (
	keysList = keyQuestion("/keys/list", func(ctx context.Context, r *issuer.Ring, _ keyRequest) ([]issuer.KeyInfo, error) {
		return r.List(ctx)
	})
	keysRotate = keyQuestion("/keys/rotate", func(ctx context.Context, r *issuer.Ring, _ keyRequest) (issuer.KeyInfo, error) {
		return r.Rotate(ctx)
	})
	keysRetire = keyQuestion("/keys/retire", func(ctx context.Context, r *issuer.Ring, in keyRequest) (issuer.KeyInfo, error) {
		return r.Retire(ctx, in.ID, in.Now)
	})
)

func keyQuestion[Out any](path string, answer func(context.Context, *issuer.Ring, keyRequest) (Out, error)) request[keyRequest, Out] {
	return request[keyRequest, Out]{
		path: path,
		running: func(ctx context.Context, d *daemon, in keyRequest) (Out, error) {
			if d.issuer == nil {
				var none Out
				return none, errNoIssuer
			}
			return answer(ctx, d.issuer.Ring(), in)
		},
		alone: func(ctx context.Context, cfg *config.Config, s store.Store, in keyRequest) (Out, error) {
			r, err := openRing(cfg, s)
			if err != nil {
				var none Out
				return none, err
			}
			return answer(ctx, r, in)
		},
	}
}

// openRing reaches the keys where no guard runs.
func openRing(cfg *config.Config, s store.Store) (*issuer.Ring, error) {
	if !cfg.Issuer.Enabled {
		// Without a file the guard is the one of the zero configuration.
		zero, err := config.Load("", config.Flags{Upstream: "http://127.0.0.1:1", Store: cfg.Store})
		if err != nil {
			return nil, err
		}
		cfg = zero
	}
	ic, err := issuerConfig(cfg)
	if err != nil {
		return nil, err
	}
	return issuer.OpenRing(issuer.RingConfig{
		Store: s, KeyEncryption: ic.KeyEncryption, Algorithm: ic.Algorithm,
		AccessTTL: ic.AccessTTL, Rotate: ic.RotateKeys, Logger: newLogger(cfg.Log, io.Discard), Now: time.Now,
	})
}

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys list|rotate|retire",
		Short: "The issuer's signing keys",
		Long: `Lists and changes the signing keys of the embedded issuer, in the guard that runs or, where none does, in its store.

A key is next (published, does not sign yet), active (signs), retiring (signs no
more, but tokens of it are still good) and gone.`,
		Example: "  wiretight keys list\n  wiretight keys rotate\n  wiretight keys retire KID --now",
	}
	cmd.AddCommand(keysListCommand(), keysRotateCommand(), keysRetireCommand())
	return cmd
}

func keysListCommand() *cobra.Command {
	var file, storeURL string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the signing keys, oldest first",
		Example: "  wiretight keys list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := stateOf(file, storeURL)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			keys, err := keysList.ask(cmd, cfg, place(file, storeURL), keyRequest{})
			if err != nil {
				return failedTo("list keys", err)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "KID\tALGORITHM\tSTATE\tSIGNS FROM\tGONE")
			for _, k := range keys {
				gone := "-"
				if !k.Gone.IsZero() {
					gone = k.Gone.Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.State, k.From.Format(time.RFC3339), gone)
			}
			return w.Flush()
		},
	}
	stateFlags(cmd, &file, &storeURL)
	return cmd
}

func keysRotateCommand() *cobra.Command {
	var file, storeURL string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Let the next key sign",
		Long: `Lets the next key sign, at once if it has been published for long enough that
every verifier knows it, else as soon as it has. Tokens of the key before stay good.`,
		Example: "  wiretight keys rotate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := stateOf(file, storeURL)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			k, err := keysRotate.ask(cmd, cfg, place(file, storeURL), keyRequest{})
			if err != nil {
				return failedTo("rotate keys", err)
			}
			if k.State == issuer.KeyActive {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s signs from now on\n", k.ID)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s signs from %s on, when every verifier knows it\n", k.ID, k.From.Format(time.RFC3339))
			return err
		},
	}
	stateFlags(cmd, &file, &storeURL)
	return cmd
}

func keysRetireCommand() *cobra.Command {
	var file, storeURL string
	var in keyRequest
	cmd := &cobra.Command{
		Use:   "retire KID",
		Short: "Stop a key from signing",
		Long: `Stops a key from signing; the next one takes its place at once. It stays published
until its last token has expired, or with --now goes at once, and every token that
it signed is refused: for a key that somebody else may have.`,
		Example: "  wiretight keys retire KID\n  wiretight keys retire KID --now",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := stateOf(file, storeURL)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			in.ID = args[0]
			k, err := keysRetire.ask(cmd, cfg, place(file, storeURL), in)
			if err != nil {
				return failedTo("retire key", err)
			}
			said := "gone"
			if k.State == issuer.KeyRetiring {
				said = "retiring until " + k.Gone.Format(time.RFC3339)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", k.ID, said)
			return err
		},
	}
	cmd.Flags().BoolVar(&in.Now, "now", false, "refuse every token that it signed")
	stateFlags(cmd, &file, &storeURL)
	return cmd
}
