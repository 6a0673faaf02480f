package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/store"
)

// request is one question to the guard that runs, or where none does, to its
// store.
type request[In, Out any] struct {
	path string // on the control socket
	// running answers in the guard that runs.
	running func(context.Context, *daemon, In) (Out, error)
	// alone answers with nothing but the store.
	alone func(context.Context, *config.Config, store.Store, In) (Out, error)
}

// serve adds the question to the control socket.
func (q request[In, Out]) serve(d *daemon, mux *http.ServeMux) {
	mux.HandleFunc("POST "+q.path, func(w http.ResponseWriter, r *http.Request) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := q.running(r.Context(), d, in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		d.logger.Info("changed or shown over the control socket", "path", q.path)
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil {
			d.logger.Warn("answer on the control socket", "error", err)
		}
	})
}

// ask finds whoever can answer.
func (q request[In, Out]) ask(cmd *cobra.Command, cfg *config.Config, by named, in In) (Out, error) {
	var out Out
	id := ""
	if by != namedNothing {
		id = storeID(cfg)
	}
	err := askStore(cmd.Context(), socketPath(cfg), id, q.path, in, &out)
	if !errors.Is(err, errNotRunning) {
		return out, err
	}
	if strings.HasPrefix(cfg.Store, "memory:") {
		return out, errors.New("no guard is running here, and its store would be in its memory")
	}
	if p, ok := boltFile(cfg); ok {
		fmt.Fprintf(cmd.ErrOrStderr(), "no guard is running here; using the store %s\n", p)
	}
	err = withStore(cmd.Context(), cfg, func(s store.Store) error {
		var err error
		out, err = q.alone(cmd.Context(), cfg, s, in)
		return err
	})
	return out, err
}

// failedTo gives a verb's error its exit code.
func failedTo(do string, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitFailed, fmt.Errorf("wiretight: %s: %w", do, err)}
}
