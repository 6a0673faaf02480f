package keyset

// The parsers of what issuers send, for fuzzing, and the last check before a
// connection, for addresses that a test cannot have.
var (
	KeySetURL = keySetURL
	Pace      = pace
	ParseURL  = parseURL
	Control   = control
	Redact    = redact
)
