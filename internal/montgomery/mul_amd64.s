//go:build !purego

#include "textflag.h"

// Products are made by VPMADD52LUQ and VPMADD52HUQ: in each of eight lanes they
// multiply the lower 52 bits of two words and add the lower or the upper 52
// bits of the 104 to a third. Numbers are five registers of eight limbs.
//
//	Z0  … Z4    a
//	Z5  … Z9    n
//	Z10, Z11    the step's limb of b, and its y, in all lanes
//	Z12         zero
//	Z16 … Z20   t but for its lowest limb
//	Z21 … Z25   the step's upper halves
//	R8          t's lowest limb
//
// Why no lane overflows: in each of 40 steps a limb gets two lower and two
// upper halves, each below 2^52, while it moves from the top lane to the
// lowest. So lanes stay below 160·2^52 < 2^60.
//
// The lowest limb is in a general register, because each step's y hangs on it
// and y is made there. Lane 0 of Z16 gets what the other lanes get; nobody reads
// that, and it is dropped when the lanes move.

// LOWER adds the lower halves of x·(y0…y4), UPPER the upper ones.
#define LOWER(x, y0, y1, y2, y3, y4) \
	VPMADD52LUQ x, y0, Z16 \
	VPMADD52LUQ x, y1, Z17 \
	VPMADD52LUQ x, y2, Z18 \
	VPMADD52LUQ x, y3, Z19 \
	VPMADD52LUQ x, y4, Z20

#define UPPER(x, y0, y1, y2, y3, y4) \
	VPMADD52HUQ x, y0, Z21 \
	VPMADD52HUQ x, y1, Z22 \
	VPMADD52HUQ x, y2, Z23 \
	VPMADD52HUQ x, y3, Z24 \
	VPMADD52HUQ x, y4, Z25

// func mulVectors(z, a, b, n *limbs, inverse uint64)
//
// Needs AVX512F, AVX512IFMA and BMI2. It makes the same steps whatever the
// numbers are.
TEXT ·mulVectors(SB), NOSPLIT, $0-40
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ n+24(FP), R9
	MOVQ inverse+32(FP), R10
	MOVQ $0x000fffffffffffff, R13 // limbMask

	VMOVDQU64 0(SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 128(SI), Z2
	VMOVDQU64 192(SI), Z3
	VMOVDQU64 256(SI), Z4
	VMOVDQU64 0(R9), Z5
	VMOVDQU64 64(R9), Z6
	VMOVDQU64 128(R9), Z7
	VMOVDQU64 192(R9), Z8
	VMOVDQU64 256(R9), Z9

	// t = 0
	VPXORQ Z12, Z12, Z12
	VPXORQ Z16, Z16, Z16
	VPXORQ Z17, Z17, Z17
	VPXORQ Z18, Z18, Z18
	VPXORQ Z19, Z19, Z19
	VPXORQ Z20, Z20, Z20
	XORL R8, R8

	MOVQ $40, CX

step:
	// R11:AX = t[0] + a[0]·b[i], all 104 bits of it: R8 is below 2^60 and the
	// product below 2^104.
	MOVQ (BX), DX
	VPBROADCASTQ DX, Z10
	MULXQ (SI), AX, R11
	ADDQ R8, AX
	ADCQ $0, R11

	// y = that · inverse mod 2^52. The vectors take 52 bits of it by themselves.
	MOVQ AX, DX
	IMULQ R10, DX
	VPBROADCASTQ DX, Z11
	ANDQ R13, DX

	// R11:AX += n[0]·y, which makes the lowest 52 bits zero. The rest, below
	// 2^54, goes into what will be the lowest limb: a carry, and the upper halves
	// of both products.
	MULXQ (R9), R8, R12
	ADDQ R8, AX
	ADCQ R12, R11
	SHRQ $52, R11, AX
	MOVQ AX, R8

	// The upper halves have registers of their own, so that they need not wait
	// for the lower ones.
	VPXORQ Z21, Z21, Z21
	VPXORQ Z22, Z22, Z22
	VPXORQ Z23, Z23, Z23
	VPXORQ Z24, Z24, Z24
	VPXORQ Z25, Z25, Z25
	LOWER(Z10, Z0, Z1, Z2, Z3, Z4) // t += a·b[i]
	UPPER(Z10, Z0, Z1, Z2, Z3, Z4)
	LOWER(Z11, Z5, Z6, Z7, Z8, Z9) // t += n·y

	// Move t one limb down. Limb 1, all its lower halves added, becomes the
	// lowest one.
	VALIGNQ $1, Z16, Z17, Z16
	VMOVQ X16, R12
	ADDQ R12, R8
	VALIGNQ $1, Z17, Z18, Z17
	VALIGNQ $1, Z18, Z19, Z18
	VALIGNQ $1, Z19, Z20, Z19
	VALIGNQ $1, Z20, Z12, Z20

	UPPER(Z11, Z5, Z6, Z7, Z8, Z9)
	VPADDQ Z21, Z16, Z16
	VPADDQ Z22, Z17, Z17
	VPADDQ Z23, Z18, Z18
	VPADDQ Z24, Z19, Z19
	VPADDQ Z25, Z20, Z20

	ADDQ $8, BX
	DECQ CX
	JNZ step

	// Only now is z written: it may be a or b.
	MOVQ z+0(FP), DI
	VMOVDQU64 Z16, 0(DI)
	VMOVDQU64 Z17, 64(DI)
	VMOVDQU64 Z18, 128(DI)
	VMOVDQU64 Z19, 192(DI)
	VMOVDQU64 Z20, 256(DI)
	MOVQ R8, 0(DI) // the lowest limb
	VZEROUPPER
	RET
