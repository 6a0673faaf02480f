package token

import "math/big"

// weakPrimes detects moduli whose primes came from the flawed generator of
// CVE-2017-15361 (ROCA): such a prime is a power of 65537 modulo the product
// of many small primes, and so is the product of two of them. The chance that
// a sound modulus looks so is below 2^-27.
func weakPrimes(n *big.Int) bool {
	var r big.Int
	for _, p := range []uint64{
		11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
	} {
		if !powerOf65537(r.Mod(n, new(big.Int).SetUint64(p)).Uint64(), p) {
			return false
		}
	}
	return true
}

// powerOf65537 tells whether x is a power of 65537 modulo the prime p.
func powerOf65537(x, p uint64) bool {
	power := uint64(1)
	for {
		if power == x {
			return true
		}
		if power = power * 65537 % p; power == 1 {
			return false
		}
	}
}
