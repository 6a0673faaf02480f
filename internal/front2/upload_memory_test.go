package front2_test

import (
	"io"
	"net/http"
	"runtime"
	"testing"
)

// TestReadUploadsAreForgotten uploads to a handler that always leaves some of
// what has come, as one does that passes it on to somebody slower. What it has
// read must not stay in memory: one upload could fill that.
func TestReadUploadsAreForgotten(t *testing.T) {
	// Not parallel: it measures the memory of the whole process.
	const part, parts, most = 64 << 10, 512, 4 << 20
	turn, grown := make(chan struct{}), make(chan int, 1)
	p, _ := frames(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		into := make([]byte, part)
		for range parts {
			<-turn
			if _, err := io.ReadFull(r.Body, into); err != nil {
				t.Errorf("read: %v", err)
			}
			turn <- struct{}{}
		}
		var after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&after)
		grown <- int(after.HeapAlloc)
	}), nil)
	p.ask(1, false, usual("POST", "/")...)
	send := func() {
		for range part >> 14 {
			p.must(p.WriteData(1, false, make([]byte, 1<<14)))
		}
		p.alive()
	}
	send()
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range parts {
		send()
		turn <- struct{}{}
		<-turn
	}
	if got := <-grown - int(before.HeapAlloc); got > most {
		t.Errorf("%d bytes are still there of %d that were read, want at most %d", got, part*parts, most)
	}
}
