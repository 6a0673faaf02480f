package issuer

import "time"

// The parsers of what comes from outside, for fuzzing.
var (
	ParseForm   = parseForm
	ParseObject = parseObject
	DecodeHash  = decodeHash
)

// Outage is outage.
type Outage struct{ o outage }

func (o *Outage) Heard(mono, now time.Time) { o.o.heard(mono, now) }

func (o *Outage) Excuses(change, now time.Time, grace time.Duration) bool {
	return o.o.excuses(change, now, grace)
}

// DecodeBasic is decodeBasic, as success or failure.
func DecodeBasic(text string) (id, secret string, ok bool) {
	id, secret, f := decodeBasic(text)
	return id, secret, f == nil
}
