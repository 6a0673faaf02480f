package store_test

// play is the other process in tests that kill it or limit it. It returns the
// exit code.
func play(role string) int { return 2 }
