//go:build race

package issuer_test

// slowdown is what the race detector costs.
const slowdown = 20
