package guard_test

import (
	"regexp"
	"sync"
	"testing"

	"github.com/wiretight/wiretight/guard"
)

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	const makers, each = 4, 1000
	made := make(chan []string, makers)
	var wg sync.WaitGroup
	for range makers {
		wg.Go(func() {
			var ids []string
			for range each {
				ids = append(ids, guard.NewRequestID())
			}
			made <- ids
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for range makers {
		for _, id := range <-made {
			if seen[id] || !form.MatchString(id) {
				t.Fatalf("got %q, want 32 hexadecimal digits that were not given out before", id)
			}
			seen[id] = true
		}
	}
}
