package keyset

// The parsers of what issuers send, for fuzzing.
var (
	KeySetURL = keySetURL
	Pace      = pace
	Members   = members
	ParseURL  = parseURL
	Redact    = redact
)
