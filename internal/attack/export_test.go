package attack

// NewTry returns what Guess does with one candidate.
func NewTry(raw string) (func([]byte) bool, error) {
	n, err := newGuesser(raw)
	if err != nil {
		return nil, err
	}
	return n.fits, nil
}

// GCD is the divisor that RecoverKey uses.
var GCD = gcd
