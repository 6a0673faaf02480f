package store

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// watermark is how far the counts of changes have come, one for each group of
// records, as far as this process knows. A count that is another one, or has
// gone back, belongs to a state that lacks something that was confirmed.
type watermark struct {
	mu   sync.Mutex
	at   [allGroups]mark
	lost time.Time
}

// mark is how far one count has come. Empty: not known.
type mark struct {
	epoch string
	n     int64
}

func parseMark(id string) mark {
	epoch, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return mark{} // whatever it is, it is not the count that is known
	}
	return mark{epoch, n}
}

// mark is what the answer to the next question must not fall behind. It is
// taken before the question is asked, since answers may be heard in another
// order than the server gave them in.
func (w *watermark) mark(group int) mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[group]
}

// saw compares a group's count, as an answer shows it, with the mark from
// before the question. If the question was a change, the count must be beyond
// the mark.
func (w *watermark) saw(group int, before mark, id string, wrote bool, now time.Time) {
	is := parseMark(id)
	w.mu.Lock()
	defer w.mu.Unlock()
	behind := is.n < before.n || wrote && is.n == before.n
	if before.epoch != "" && (is.epoch != before.epoch || behind) {
		w.lose(now)
		w.at[group] = is
		return
	}
	if is.epoch == w.at[group].epoch {
		w.at[group].n = max(w.at[group].n, is.n)
	} else if w.at[group].epoch == "" {
		w.at[group] = is
	}
}

// lose notes a loss that was noticed now. Until a moment ago another instance
// may have confirmed something, and whoever compares the loss with a time in
// whole seconds must not take that for something that came after: it counts as
// the end of the second.
func (w *watermark) lose(now time.Time) {
	if at := now.Truncate(time.Second).Add(time.Second); at.After(w.lost) {
		w.lost = at
	}
}

func (w *watermark) lostAt() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}
