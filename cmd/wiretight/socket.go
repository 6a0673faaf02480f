package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
