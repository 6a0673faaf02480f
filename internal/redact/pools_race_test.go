//go:build race

package redact_test

// forgotten is how many allocations a record may cost because pools have lost
// what was put into them, which they do on purpose under the race detector.
const forgotten = 4
