//go:build !amd64 || purego

package montgomery

const vectors = false

func mulVectors(z, a, b, n *limbs, inverse uint64) { mulWords(z, a, b, n, inverse) }
