package wiretight_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFailuresAreNamed holds that of tests which ran side by side each one that
// failed is shown with its own words, and nothing else is.
func TestFailuresAreNamed(t *testing.T) {
	t.Parallel()
	const log = `=== RUN   TestGood
=== PAUSE TestGood
=== RUN   TestBad
=== PAUSE TestBad
=== RUN   TestOuter
=== RUN   TestOuter/inner_case
=== PAUSE TestOuter/inner_case
=== CONT  TestGood
    good_test.go:1: all is well
=== CONT  TestBad
    bad_test.go:7: got 1, want 2
=== NAME  TestGood
    good_test.go:2: still well
--- PASS: TestGood (0.01s)
=== NAME  TestBad
    bad_test.go:8: got 3, want 4
--- FAIL: TestBad (0.02s)
=== CONT  TestOuter/inner_case
    outer_test.go:3: got a (b), want c
--- FAIL: TestOuter (0.00s)
    --- PASS: TestOuter/other (0.00s)
    --- FAIL: TestOuter/inner_case (0.10s)
FAIL
FAIL	example.com/a	0.512s
ok  	example.com/b	0.100s
# example.com/c
c/c.go:1:1: expected 'package'
FAIL	example.com/c [build failed]
FAIL
`
	cmd := exec.Command("awk", "-f", ".ci/failures.awk")
	cmd.Stdin = strings.NewReader(log)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("awk: %v\n%s", err, out)
	}
	const want = `--- FAIL: TestBad
    bad_test.go:7: got 1, want 2
    bad_test.go:8: got 3, want 4
--- FAIL: TestOuter/inner_case
    outer_test.go:3: got a (b), want c
# example.com/c
c/c.go:1:1: expected 'package'
FAIL	example.com/c [build failed]
FAIL
FAIL	example.com/a	0.512s
FAIL	example.com/c [build failed]
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
