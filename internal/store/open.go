package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// errScheme quotes nothing: what stands before the colon may be a password
// where the scheme was forgotten.
var errScheme = errors.New("store URL has no known scheme; write bolt://PATH, redis://HOST:PORT, rediss://HOST:PORT or memory: in full")

// Open opens the store that rawURL names:
//
//	bolt://relative/or/absolute/path   one file, one process (OpenBolt)
//	redis://[user:password@]host[:port][/database][?options]   Valkey or Redis (OpenValkey)
//	rediss://…   the same over TLS
//	memory:      this process only (NewMemory)
//
// The options of redis and rediss:
//
//	addr=HOST:PORT           another server, once for each
//	master_set=NAME          the servers are Sentinels, and call the primary so
//	sentinel_user=, sentinel_password=   for the Sentinels
//	prefix=NAME              begins all names in the database; default: wiretight
//	wait=N                   confirm a change when N replicas have it
//	ca=FILE                  verify by this and not by the system
//	cert=FILE, key=FILE      show this certificate
//	server_name=NAME         is in the certificate of every server
//
// One address is a standalone server, or a node of a Cluster if it says so;
// several without master_set are a Cluster. A redis store that does not answer
// is no error: its calls are, until it does. Errors never contain a password.
// A nil now is time.Now.
func Open(ctx context.Context, rawURL string, now func() time.Time) (Store, error) {
	scheme, rest, found := strings.Cut(rawURL, ":")
	switch {
	case found && scheme == "memory":
		if err := memoryURL(rest); err != nil {
			return nil, err
		}
		return NewMemory(now, 0), nil
	case found && scheme == "bolt":
		path, err := boltPath(rest)
		if err != nil {
			return nil, err
		}
		return OpenBolt(path, now)
	case found && (scheme == "redis" || scheme == "rediss"):
		return OpenValkey(ctx, rawURL, now)
	}
	return nil, errScheme
}

func memoryURL(rest string) error {
	if rest != "" {
		return errors.New("store URL \"memory:\" takes nothing after the colon; write memory: alone")
	}
	return nil
}

// boltPath takes the path as it stands, without URL decoding.
func boltPath(rest string) (string, error) {
	path, ok := strings.CutPrefix(rest, "//")
	if !ok || path == "" || strings.HasSuffix(path, "/") {
		return "", fmt.Errorf("store URL \"bolt:%s\" names no file; write bolt://directory/state.db or bolt:///absolute/state.db", rest)
	}
	return path, nil
}
