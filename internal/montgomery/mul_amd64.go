//go:build !purego

package montgomery

import "golang.org/x/sys/cpu"

// vectors holds only where the operating system keeps the 512-bit registers of
// a process, too.
var vectors = cpu.X86.HasAVX512F && cpu.X86.HasAVX512IFMA && cpu.X86.HasBMI2

// mulVectors is mulWords in AVX-512 IFMA.
//
//go:noescape
func mulVectors(z, a, b, n *limbs, inverse uint64)
