package cluster

import "time"

// Answer is what a guard said: the status, when it was asked, and how long it took.
type Answer struct {
	Status int
	Sent   time.Time
	Took   time.Duration
}

func (a Answer) inner() answer { return answer{status: a.Status, sent: a.Sent, took: a.Took} }

// NewJudge is newJudge.
func NewJudge(cfg Config) *Judge { return newJudge(cfg) }

func (j *Judge) Saw(kind string, a Answer, storeless bool, want ...int) {
	j.saw(kind, a.inner(), storeless, want...)
}
func (j *Judge) Succeeded(old, successor string)              { j.succeeded(old, successor) }
func (j *Judge) Retired(what string, ack time.Time, a Answer) { j.retired(what, ack, a.inner()) }

// Hiccups is how often 503 came while nothing was wrong.
func (j *Judge) Hiccups() int64 { return j.hiccups }
