package issuer

// The parsers of what comes from outside, for fuzzing.
var (
	ParseForm   = parseForm
	ParseObject = parseObject
	DecodeHash  = decodeHash
)

// DecodeBasic is decodeBasic, as success or failure.
func DecodeBasic(text string) (id, secret string, ok bool) {
	id, secret, f := decodeBasic(text)
	return id, secret, f == nil
}
