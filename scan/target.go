package scan

// Target is what a scan knows of an API, and the only way to reach it.
type Target struct{}
