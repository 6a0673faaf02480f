//go:build !linux

package store

import bolt "go.etcd.io/bbolt"

// dropPages leaves it to the system what stays mapped of the file.
func dropPages(*bolt.Tx) {}
