package scan

import "context"

// Run scans. The error says that the configuration cannot be used; a target that
// cannot be reached is a Report that is Incomplete. When ctx ends, so does the
// scan, and the Report has what was found until then.
func Run(ctx context.Context, c Config, checks []Check) (*Report, error) { return nil, ErrAbsent }
