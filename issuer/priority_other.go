//go:build !linux

package issuer

// yieldToOthers does nothing where priorities are not a thread's own.
func yieldToOthers() {}
