package montgomery_test

import "testing"

func BenchmarkRaise(b *testing.B) {
	n := odd(below(random(70), 2048), 2048)
	x, out := below(random(71), 2047).FillBytes(make([]byte, 256)), make([]byte, 256)
	for way, m := range ways(b, n) {
		b.Run(way, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Raise(out, x)
			}
		})
	}
}
