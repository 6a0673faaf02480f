package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
)

// play is the other process in tests that kill it or limit it. It returns the
// exit code.
func play(role string) int {
	var err error
	switch role {
	case "consume":
		err = consumeForEver(os.Getenv("STORE_TEST_PATH"))
	case "fill":
		err = fill(os.Getenv("STORE_TEST_PATH"))
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child prepares this test binary to play role on the store at path.
func child(role, path string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE="+role, "STORE_TEST_PATH="+path)
	return cmd
}

// tickets is how many keys the killed processes try to consume.
const tickets = 20000

// consumeForEver consumes tickets and rotates a family per goroutine, and
// writes a line for each success after the store has confirmed it.
func consumeForEver(path string) error {
	s, err := store.OpenBolt(path, nil)
	if err != nil {
		return err
	}
	var out sync.Mutex
	confirm := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Fprintf(os.Stdout, format+"\n", args...)
	}
	errs := make(chan error)
	for i := range 16 {
		go func() { errs <- consume(s, fmt.Sprintf("family:%d", i), confirm) }()
	}
	return <-errs
}

func consume(s store.Store, family string, confirm func(string, ...any)) error {
	ctx := context.Background()
	var old []byte
	n := 0
	if r, err := s.Get(ctx, family); err == nil {
		old = r.Value
		if n, err = strconv.Atoi(string(old)); err != nil {
			return err
		}
	}
	for {
		ticket := fmt.Sprintf("ticket:%d", rand.IntN(tickets))
		err := s.Replace(ctx, ticket, nil, []byte{}, time.Now().Add(time.Hour))
		if err == nil {
			confirm("consumed %s", ticket)
		} else if !errors.Is(err, store.ErrConflict) {
			return err
		}
		n++
		next := []byte(strconv.Itoa(n))
		if err := s.Replace(ctx, family, old, next, time.Time{}); err != nil {
			return err
		}
		old = next
		confirm("rotated %s %d", family, n)
	}
}

// TestBoltKilled kills a writing process again and again. What it has
// confirmed must be there, and no ticket may be confirmed twice.
func TestBoltKilled(t *testing.T) {
	t.Parallel()
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("STORE_TEST_KILLS")); err == nil {
		kills = n
	}
	path := filepath.Join(t.TempDir(), "state.db")
	consumed, rotated := make(map[string]bool), make(map[string]int)
	for round := range kills {
		for _, line := range killed(t, child("consume", path)) {
			words := strings.Fields(line)
			switch words[0] {
			case "consumed":
				if consumed[words[1]] {
					t.Fatalf("round %d: %s was consumed twice", round, words[1])
				}
				consumed[words[1]] = true
			case "rotated":
				n, err := strconv.Atoi(words[2])
				if err != nil || n <= rotated[words[1]] {
					t.Fatalf("round %d: %s went from %d to %s", round, words[1], rotated[words[1]], words[2])
				}
				rotated[words[1]] = n
			}
		}
		verify(t, path, consumed, rotated)
	}
	if len(consumed) < kills || len(rotated) < 16 {
		t.Errorf("confirmed: got %d tickets and %d families, want at least %d and 16", len(consumed), len(rotated), kills)
	}
	t.Logf("%d kills, %d tickets consumed", kills, len(consumed))
}

// killed runs cmd, kills it some time after its first line, and returns the
// whole lines that it wrote.
func killed(t *testing.T, cmd *exec.Cmd) (lines []string) {
	t.Helper()
	var diagnostics strings.Builder
	cmd.Stderr = &diagnostics
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		if lines = append(lines, strings.TrimSpace(line)); len(lines) == 1 {
			after := rand.N(100 * time.Millisecond)
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("process was not killed but ended with %v: %s", cmd.ProcessState, diagnostics.String())
	}
	return lines
}

func verify(t *testing.T, path string, consumed map[string]bool, rotated map[string]int) {
	t.Helper()
	s, err := store.OpenBolt(path, nil)
	if err != nil {
		t.Fatalf("open after a kill: got %v, want nil", err)
	}
	defer s.Close()
	for ticket := range consumed {
		if err := s.Replace(t.Context(), ticket, nil, []byte{}, time.Time{}); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("consume %s again after a kill: got %v, want %v", ticket, err, store.ErrConflict)
		}
	}
	for family, n := range rotated {
		r, err := s.Get(t.Context(), family)
		if err != nil {
			t.Fatalf("Get(%s) after a kill: got %v, want nil", family, err)
		}
		if got, err := strconv.Atoi(string(r.Value)); err != nil || got < n {
			t.Fatalf("%s after a kill: got %q, want at least %d", family, r.Value, n)
		}
	}
}
