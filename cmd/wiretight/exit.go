package main

// Exit codes, the same for every verb.
const (
	exitFindings = 1 // the command worked, and what it found is bad
	exitUsage    = 2 // the command line or a configuration is wrong
	exitFailed   = 3 // the command could not do its work
)

// exitError ends the process with code, after err was printed if there is one.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }
