//go:build !race

package redact_test

// forgotten is how many allocations a record may cost because pools have lost
// what was put into them.
const forgotten = 0
