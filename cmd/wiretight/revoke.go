package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

func revokeCommand() *cobra.Command {
	var file, storeURL, before string
	var req revokeRequest
	cmd := &cobra.Command{
		Use:   "revoke --jti J | --sid S | --sub U | --before TIME",
		Short: "Revokes tokens on every instance",
		Long: `Revokes tokens by their identifier, session or subject, or all that were issued
before a time. Every instance that shares the store refuses them within one
second, and still does after a restart.

The running guard is asked over its socket beside the store; where none runs the
store is written directly.`,
		Example: `  wiretight revoke --sub alice
  wiretight revoke --sub alice --before 2026-11-21T12:00:00Z
  wiretight revoke --jti 8c5e3f…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if before != "" {
				t, err := time.Parse(time.RFC3339, before)
				if err != nil {
					return &exitError{exitUsage, fmt.Errorf("wiretight: --before %q is not a time; write it as 2026-11-21T12:00:00Z", before)}
				}
				req.Before = t
			}
			if err := checkRevocation(req); err != nil {
				return &exitError{exitUsage, fmt.Errorf("wiretight: %w", err)}
			}
			cfg, err := stateOf(file, storeURL)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if err := revoke(cmd.Context(), cfg, place(file, storeURL), req); err != nil {
				return &exitError{exitFailed, fmt.Errorf("wiretight: revoke: %w", err)}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "revoked")
			return err
		},
	}
	s := cmd.Flags()
	s.StringVar(&req.JTI, "jti", "", "the token with this identifier")
	s.StringVar(&req.SID, "sid", "", "every token of this session")
	s.StringVar(&req.Subject, "sub", "", "every token of this subject that was issued until now, or before --before")
	s.StringVar(&before, "before", "", "tokens issued before this `TIME` (RFC 3339)")
	stateFlags(cmd, &file, &storeURL)
	return cmd
}

// checkRevocation finds out whether exactly one thing is named.
func checkRevocation(r revokeRequest) error {
	n := 0
	for _, s := range []string{r.JTI, r.SID, r.Subject} {
		if s != "" {
			n++
		}
	}
	switch {
	case n == 0 && r.Before.IsZero():
		return errors.New("nothing to revoke; name one of --jti, --sid, --sub and --before")
	case n > 1:
		return errors.New("--jti, --sid and --sub exclude each other; call once for each")
	case !r.Before.IsZero() && (r.JTI != "" || r.SID != ""):
		return errors.New("--before goes with --sub or alone")
	}
	return nil
}

// named is how much a command line said about the place of the state.
type named int

const (
	namedNothing named = iota // whatever guard runs here is meant
	namedStore                // --store
	namedFile                 // -c
)

func place(file, storeURL string) named {
	switch {
	case file != "":
		return namedFile
	case storeURL != "":
		return namedStore
	}
	return namedNothing
}

// revoke asks the running guard, or writes where none runs. A store is never
// made by it, unless a configuration says that it is some guard's: a
// revocation in a place where no guard looks would be none.
func revoke(ctx context.Context, cfg *config.Config, by named, req revokeRequest) error {
	id := ""
	if by != namedNothing {
		id = storeID(cfg)
	}
	err := askStore(ctx, socketPath(cfg), id, "/revoke", req, nil)
	if !errors.Is(err, errNotRunning) {
		return err
	}
	if strings.HasPrefix(cfg.Store, "memory:") {
		return errors.New("no guard is running here, and its store would be in its memory")
	}
	if p, ok := boltFile(cfg); ok && by != namedFile {
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no guard is running here, and there is no store %q; call it where the guard runs, or name -c FILE or --store URL", p)
		}
	}
	return withStore(ctx, cfg, func(s store.Store) error {
		return revocation.Put(ctx, s, req.revocation(), time.Now(), retention(cfg, cfg.Guard))
	})
}

// retention is how long a revocation must be kept so that every token that it
// concerns has expired, and every session of the embedded issuer that it ends.
// gc is what the guard runs with.
func retention(cfg *config.Config, gc guard.Config) time.Duration {
	if !cfg.Issuer.Enabled {
		return guard.Retention(gc)
	}
	if len(gc.Tokens.Issuers) > 0 && guard.Retention(gc) == 0 {
		return 0
	}
	return max(guard.Retention(gc), cfg.Issuer.RefreshTTL+cfg.Issuer.AccessTTL+2*gc.Tokens.Leeway+time.Minute)
}

// stateFlags declares how the verbs that change state find it.
func stateFlags(cmd *cobra.Command, file, storeURL *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "the guard's configuration `FILE` (default wiretight.yaml, if there is one)")
	cmd.Flags().StringVar(storeURL, "store", "", "store `URL`, where no file says it (default bolt://wiretight-data/state.db)")
}

// defaultStore is where a guard keeps its state when nothing else is said.
const defaultStore = "bolt://" + dataDir + "/state.db"

// stateOf finds the state: in the file's store, in the named one, in that of
// the file that a guard started here would read, or in the default one.
func stateOf(file, storeURL string) (*config.Config, error) {
	if file == "" && storeURL == "" {
		file = nearbyFile()
	}
	if file != "" {
		return config.Load(file, config.Flags{Store: storeURL})
	}
	if storeURL == "" {
		storeURL = defaultStore
	}
	return &config.Config{Store: storeURL}, nil
}
