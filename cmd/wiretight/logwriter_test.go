package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wiretight/wiretight/internal/config"
)

// paper takes what is written to it as its do says, and notes every write.
type paper struct {
	do func(p []byte) (int, error)

	mu     sync.Mutex
	text   []byte
	writes int
}

func (p *paper) Write(b []byte) (n int, err error) {
	n = len(b)
	if p.do != nil {
		n, err = p.do(b)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text, b[:n]...)
	p.writes++
	return n, err
}

// lines are those that have arrived, all of them whole.
func (p *paper) lines(t *testing.T) []string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.text) > 0 && p.text[len(p.text)-1] != '\n' {
		t.Errorf("the log ends in half a line: %q", p.text[max(0, len(p.text)-80):])
	}
	return strings.Split(strings.TrimSuffix(string(p.text), "\n"), "\n")
}

// lost is a line that is easily told.
func lost(n int, why error) []byte { return fmt.Appendf(nil, "lost %d %v\n", n, why) }

// numbered writes n lines that know their number, of a kilobyte each, and
// returns how many were not taken.
func numbered(l *logWriter, from, n int) (refused int) {
	for i := range n {
		if _, err := fmt.Fprintf(l, "%d %s\n", from+i, strings.Repeat("x", 1<<10)); err != nil {
			refused++
		}
	}
	return refused
}

// numbers are the numbers of the lines, and the lines that have none.
func numbers(t *testing.T, lines []string) (found []int, others []string) {
	t.Helper()
	for _, line := range lines {
		number, rest, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			others = append(others, line)
			continue
		}
		if len(rest) != 1<<10 {
			t.Fatalf("line %d is not whole: %q", n, line)
		}
		found = append(found, n)
	}
	return found, others
}

func count(from, n int) (all []int) {
	for i := range n {
		all = append(all, from+i)
	}
	return all
}

func TestLogLinesComePromptlyAndTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p paper
		l := newLogWriter(&p, lost)
		numbered(l, 0, 3)
		time.Sleep(logGather)
		synctest.Wait()
		if got, _ := numbers(t, p.lines(t)); p.writes != 1 || !slices.Equal(got, count(0, 3)) {
			t.Errorf("got %v in %d writes after %v, want three lines in one", got, p.writes, logGather)
		}
		// A batch that is worth it waits for nobody.
		before := time.Now()
		numbered(l, 3, logBatch>>10)
		synctest.Wait()
		if got, _ := numbers(t, p.lines(t)); !slices.Equal(got, count(0, 3+logBatch>>10)) || time.Since(before) != 0 {
			t.Errorf("got %d lines after %v, want all at once", len(got), time.Since(before))
		}
		numbered(l, 100, 1)
		if err := l.Flush(); err != nil || time.Since(before) != 0 {
			t.Errorf("Flush: got %v after %v, want no wait", err, time.Since(before))
		}
		if got, _ := numbers(t, p.lines(t)); got[len(got)-1] != 100 {
			t.Errorf("Flush: the last line is %d, want 100", got[len(got)-1])
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseWritesWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p paper
		l := newLogWriter(&p, lost)
		before := time.Now()
		numbered(l, 0, 20)
		if err := l.Close(); err != nil || time.Since(before) != 0 {
			t.Errorf("got %v after %v, want no wait", err, time.Since(before))
		}
		if got, _ := numbers(t, p.lines(t)); !slices.Equal(got, count(0, 20)) {
			t.Errorf("got %v, want every line", got)
		}
		if numbered(l, 20, 1) != 1 || l.Lost() != 1 {
			t.Error("a line after the end was taken, want it counted as lost")
		}
		if err := l.Close(); err != nil {
			t.Errorf("closed again: got %v", err)
		}
	})
}

// A reader that is slow, but reads, slows down whoever logs, and gets all.
func TestSlowReaderLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := paper{do: func(b []byte) (int, error) {
			time.Sleep(logPatience / 2)
			return len(b), nil
		}}
		l := newLogWriter(&p, lost)
		const n = 5 * logQueue >> 10
		if got := numbered(l, 0, n); got != 0 || l.Lost() != 0 {
			t.Errorf("%d lines were not taken, %d lost, want none", got, l.Lost())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if got, _ := numbers(t, p.lines(t)); !slices.Equal(got, count(0, n)) {
			t.Errorf("got %d lines, want %d in order", len(got), n)
		}
	})
}

// unread is paper that takes nothing before release is closed.
func unread(release <-chan struct{}) *paper {
	return &paper{do: func(b []byte) (int, error) {
		<-release
		return len(b), nil
	}}
}

// A reader that reads nothing costs one wait and the lines that find no room,
// and when it is back it is told.
func TestBlockedReaderStopsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := unread(release)
		l := newLogWriter(p, lost)
		before := time.Now()
		const n = 4 * logQueue >> 10
		refused := numbered(l, 0, n)
		if took := time.Since(before); took != logPatience {
			t.Errorf("logging waited for %v in all, want %v", took, logPatience)
		}
		if refused < n/4 || refused > n*3/4 || l.Lost() != uint64(refused) {
			t.Errorf("%d of %d lines were not taken, %d lost, want those beyond the queue", refused, n, l.Lost())
		}
		if err := l.Flush(); !errors.Is(err, errLogBehind) {
			t.Errorf("Flush: got %v, want %v", err, errLogBehind)
		}
		close(release)
		synctest.Wait()
		if numbered(l, n, 1) != 0 {
			t.Error("the reader is back and a line was not taken")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		got, others := numbers(t, p.lines(t))
		if want := append(count(0, n-refused), n); !slices.Equal(got, want) {
			t.Errorf("got %d lines, want the first %d and the last in order", len(got), len(want)-1)
		}
		if want := []string{fmt.Sprintf("lost %d <nil>", refused)}; !slices.Equal(others, want) {
			t.Errorf("got %q, want %q", others, want)
		}
	})
}

func TestCloseDoesNotWaitForAReaderThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := unread(release)
		l := newLogWriter(p, lost)
		numbered(l, 0, 1)
		before := time.Now()
		if err := l.Close(); !errors.Is(err, errLogBehind) || time.Since(before) != logFarewell {
			t.Errorf("got %v after %v, want %v after %v", err, time.Since(before), errLogBehind, logFarewell)
		}
		close(release)
		<-l.ended
	})
}

// A disk that is full for a while leaves no half line and doubles none.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		n    int  // lines meanwhile
		lost bool // are there more than fit
	}{
		{"a few lines", 10, false},
		{"more than fit", 2 * logQueue >> 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var full atomic.Bool
				full.Store(true)
				p := paper{}
				p.do = func(b []byte) (int, error) {
					if full.Load() { // some bytes still fit
						return min(100, len(b)), syscall.ENOSPC
					}
					return len(b), nil
				}
				l := newLogWriter(&p, lost)
				refused := numbered(l, 0, c.n)
				if (refused > 0) != c.lost || l.Lost() != uint64(refused) {
					t.Errorf("%d lines were not taken, %d lost, want some: %v", refused, l.Lost(), c.lost)
				}
				time.Sleep(3 * logRetry)
				synctest.Wait()
				full.Store(false)
				time.Sleep(logRetry)
				synctest.Wait()
				numbered(l, c.n, 1)
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				got, others := numbers(t, p.lines(t))
				if want := append(count(0, c.n-refused), c.n); !slices.Equal(got, want) {
					t.Errorf("got %d lines, want the first %d and the last in order", len(got), len(want)-1)
				}
				want := []string{fmt.Sprintf("lost %d %v", refused, syscall.ENOSPC)}
				if c.lost && !slices.Equal(others, want) || !c.lost && others != nil {
					t.Errorf("got %q beside the lines, want %q where some are lost", others, want)
				}
			})
		})
	}
}

func TestCloseOnAFullDiskSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := paper{do: func([]byte) (int, error) { return 0, syscall.ENOSPC }}
		l := newLogWriter(&p, lost)
		numbered(l, 0, 1)
		if err := l.Close(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v, want %v", err, syscall.ENOSPC)
		}
	})
}

// TestUnreadPipe is the blocked reader as the system has it.
func TestUnreadPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := newLogWriter(w, lost)
	const n = 3 * logQueue >> 10
	refused := numbered(l, 0, n)
	if refused == 0 {
		t.Error("every line was taken, want those beyond pipe and queue lost")
	}
	read := make(chan []byte)
	go func() {
		var text bytes.Buffer
		_, _ = text.ReadFrom(r) // until w is closed
		read <- text.Bytes()
	}()
	// Both give up soon where the machine is busy.
	eventually(t, "the pipe that is read again takes all", func() bool { return l.Flush() == nil })
	eventually(t, "the log ends", func() bool { return l.Close() == nil })
	_ = w.Close()
	p := paper{text: <-read}
	if got, others := numbers(t, p.lines(t)); !slices.Equal(got, count(0, n-refused)) || len(others) != 1 {
		t.Errorf("got %d lines and %q, want %d and the one that tells of the others", len(got), others, n-refused)
	}
}

func TestLogLinesOfManyKeepTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p paper
		l := newLogWriter(&p, lost)
		var wg sync.WaitGroup
		const writers, each = 4, 200
		for w := range writers {
			wg.Go(func() { numbered(l, w*each, each) })
		}
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		got, _ := numbers(t, p.lines(t))
		for w := range writers {
			own := slices.DeleteFunc(slices.Clone(got), func(n int) bool { return n/each != w })
			if !slices.Equal(own, count(w*each, each)) {
				t.Errorf("writer %d: got %d lines, want %d in order", w, len(own), each)
			}
		}
	})
}

func TestLostLinesSayHowMany(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format string
		why    error
		want   []string
	}{
		{"json", nil, []string{`"level":"ERROR"`, `"lines":7`, `"reason":"its reader is too far behind"`}},
		{"text", syscall.ENOSPC, []string{"level=ERROR", "lines=7", `reason="no space left on device"`}},
	} {
		line := string(lostLines(config.Log{Format: c.format, Level: "error"})(7, c.why))
		for _, want := range c.want {
			if !strings.Contains(line, want) || strings.Count(line, "\n") != 1 {
				t.Errorf("%s: got %q, want one line with %q", c.format, line, want)
			}
		}
	}
}

// TestTermLosesNoRecord stops a guard right behind its last answer.
func TestTermLosesNoRecord(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("")
	g := b.start("-c", "wiretight.yaml")
	const n = 40
	for range n {
		g.want(401, "/", "")
	}
	g.stop()
	if got := strings.Count(g.log.String(), `"decision":"refused"`); got != n {
		t.Errorf("got %d records of refusals, want %d", got, n)
	}
}
