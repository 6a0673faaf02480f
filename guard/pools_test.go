//go:build !race

package guard_test

// forgotten is how many allocations a request may cost because pools have lost
// what was put into them.
const forgotten = 0
