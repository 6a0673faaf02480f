package testproc_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/testproc"
)

// TestProcess starts a shell, hears both of its streams, and ends it.
func TestProcess(t *testing.T) {
	t.Parallel()
	p := testproc.Start(t, exec.Command("sh", "-c", `sleep 60 >/dev/null 2>&1 & trap "kill $!; echo bye; exit 3" TERM; echo "ready at 7" >&2; wait`))
	if got := p.Says(`ready at (\d)`); got != "7" {
		t.Errorf("got %q, want 7", got)
	}
	if err := p.Stop(); err == nil || err.Error() != "exit status 3" || !strings.Contains(p.String(), "bye\n") {
		t.Errorf("got %v after %q, want what the shell did with the signal", err, p.String())
	}
}

// TestFailures holds that a program which is missing, or ends before it says
// what it should, fails its test and does not hang it.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(testing.TB){
		"missing": func(t testing.TB) { testproc.Start(t, exec.Command("/nowhere/program")) },
		"ended":   func(t testing.TB) { testproc.Start(t, exec.Command("sh", "-c", "echo no; exit 1")).Says("(yes)") },
	} {
		r := &recorder{TB: t}
		failed := make(chan struct{})
		go func() {
			defer close(failed)
			defer func() { r.panicked = recover() }()
			try(r)
		}()
		<-failed
		r.cleanUp()
		if r.panicked != errFatal {
			t.Errorf("%s: got %v, want a fatal failure", name, r.panicked)
		}
	}
}

const errFatal = "fatal"

// recorder is a test that is meant to fail.
type recorder struct {
	testing.TB
	panicked any
	cleanups []func()
}

func (r *recorder) Fatalf(string, ...any) { panic(errFatal) }
func (r *recorder) Cleanup(f func())      { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool          { return false }

func (r *recorder) cleanUp() {
	for _, f := range r.cleanups {
		f()
	}
}
