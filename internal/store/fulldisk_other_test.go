//go:build !linux

package store_test

import "errors"

// fill is for TestBoltFullDisk, which only Linux has.
func fill(string) error { return errors.New("only on Linux can a test make its own disk small") }
