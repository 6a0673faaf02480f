package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/config"
)

const (
	// dataDir is where a guard keeps what nothing else has a place for.
	dataDir = "wiretight-data"
	// maxSocketPath is what systems allow for a socket's path, less what it
	// takes to make it.
	maxSocketPath = 90
)

// adminSocket is where the other verbs reach this guard: beside the store, or
// in ./wiretight-data. The directory is made.
func adminSocket(cfg *config.Config) (string, error) {
	socket := socketPath(cfg)
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return "", fmt.Errorf("make data directory: %w", err)
	}
	return socket, nil
}

// controlSocket is where this guard lets itself be reached, or empty. A guard
// with a shared store can do without: the other verbs then write the store. So
// several of them may stand in one directory, or in one that is read-only.
func (d *daemon) controlSocket(ctx context.Context) (string, error) {
	socket, err := adminSocket(d.cfg)
	if !shared(d.cfg) {
		return socket, err
	}
	if err == nil {
		var dialer net.Dialer
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var c net.Conn
		if c, err = dialer.DialContext(ctx, "unix", socket); err != nil {
			return socket, nil // nobody answers there
		}
		_ = c.Close()
		err = fmt.Errorf("another process answers at %q", socket)
	}
	d.logger.Warn("there is no control socket; other commands write the store themselves", "error", err)
	return "", nil
}

// shared tells whether other processes can use the store at the same time.
func shared(cfg *config.Config) bool {
	return strings.HasPrefix(cfg.Store, "redis://") || strings.HasPrefix(cfg.Store, "rediss://")
}

func socketPath(cfg *config.Config) string {
	dir := dataDir
	if p, ok := boltFile(cfg); ok {
		dir = filepath.Dir(p)
	}
	socket := filepath.Join(dir, "admin.sock")
	if len(socket) <= maxSocketPath || !filepath.IsAbs(socket) {
		return socket
	}
	// Deep directories often have a short way from here.
	here, err := os.Getwd()
	if err != nil {
		return socket
	}
	if short, err := filepath.Rel(here, socket); err == nil && len(short) < len(socket) {
		return short
	}
	return socket
}

// boltFile is the file of an embedded store.
func boltFile(cfg *config.Config) (string, bool) { return strings.CutPrefix(cfg.Store, "bolt://") }

// storeID names a store without showing its URL, which may hold a password.
// However the path of a file is written, it has one name.
func storeID(cfg *config.Config) string {
	name := cfg.Store
	if p, ok := boltFile(cfg); ok {
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		if dir, err := filepath.EvalSymlinks(filepath.Dir(p)); err == nil {
			p = filepath.Join(dir, filepath.Base(p))
		}
		name = "bolt://" + p
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}
