//go:build !unix

package serve

// fileLimit is a cautious guess where the system has no such limit.
func fileLimit() int { return 1 << 14 }
