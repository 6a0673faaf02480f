package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// demoRow is one line of the table: a request, or several, that goes to both.
type demoRow struct {
	group string
	name  string
	good  bool // is to pass
	// slow rows wait for something; they run beside the others.
	slow bool
	run  func(ctx context.Context, s *demoSide) outcome
}

// outcome is what one side made of a row.
type outcome struct {
	// passed says that the attack succeeded, or that the good request did.
	passed bool
	text   string   // for people, short
	ids    []string // the guard's request ids
	err    error    // the row could not be run
}

// demoReport is the table with what there is to say about it.
type demoReport struct {
	lines    []demoLine
	requests int
}

// demoLine is one row, run.
type demoLine struct {
	group, name   string
	good          bool
	weak, guarded outcome
	rules         []string // that the guard's log names
	reason        string   // in the last of its records that has one
}

// bad reports whether the guard has failed in this row, or nobody knows.
func (l demoLine) bad() bool {
	return l.guarded.passed != l.good || l.guarded.err != nil || l.weak.err != nil
}

// attack runs every row at both sides.
func (b *demoBed) attack(ctx context.Context, every bool) (*demoReport, error) {
	if err := b.prepare(every); err != nil {
		return nil, err
	}
	r := &demoReport{lines: make([]demoLine, len(b.rows))}
	var slow sync.WaitGroup
	for i, row := range b.rows {
		line := &r.lines[i]
		*line = demoLine{group: row.group, name: row.name, good: row.good}
		if row.slow {
			slow.Go(func() { b.runRow(ctx, row, line) })
		}
	}
	for i, row := range b.rows {
		if !row.slow {
			b.runRow(ctx, row, &r.lines[i])
		}
	}
	slow.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range r.lines {
		line := &r.lines[i]
		for _, o := range []*outcome{&line.weak, &line.guarded} {
			if o.err != nil {
				o.text = "error"
			}
		}
		r.requests += len(line.guarded.ids)
	}
	return r, nil
}

func (b *demoBed) runRow(ctx context.Context, row demoRow, line *demoLine) {
	line.weak = row.run(ctx, b.weak)
	line.guarded = row.run(ctx, b.guarded)
	line.rules, line.reason = b.explain(ctx, line.guarded.ids)
}

// explain says from the guard's own records which rules refused, and why the
// last of them did.
func (b *demoBed) explain(ctx context.Context, ids []string) (all []string, reason string) {
	for _, id := range ids {
		rec, ok := b.log.of(ctx, id)
		if !ok || rec.decision == "allowed" {
			continue
		}
		name := rec.rule
		if name == "" {
			name = "(" + rec.decision + ")"
		}
		if rec.decision == "observed" {
			name += "?"
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
		reason = rec.reason
	}
	return all, reason
}

// ok reports whether the guard has refused all attacks and passed all else.
func (r *demoReport) ok() bool {
	return len(r.lines) > 0 && !slices.ContainsFunc(r.lines, demoLine.bad)
}

// answerOf is an answer, read to its end.
type answerOf struct {
	status int
	header http.Header
	body   string
}

func (a answerOf) id() string     { return a.header.Get("X-Request-Id") }
func (a answerOf) success() bool  { return a.status >= 200 && a.status < 300 }
func (a answerOf) number() string { return fmt.Sprint(a.status) }

// ask is one request to be made. Header is name, value, name, value; a header
// named Host sets the host.
type ask struct {
	method, path, body string
	header             []string
	plain              bool
	h2                 bool
	base               string // overrides the side's
}

// do makes a request. Paths are sent as they are written.
func (s *demoSide) do(ctx context.Context, q ask) (answerOf, error) {
	base, client := s.base, s.client
	if q.plain {
		base = s.plain
	}
	if q.base != "" {
		base = q.base
	}
	if q.h2 {
		client = s.h2
	}
	if q.method == "" {
		q.method = http.MethodGet
	}
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, base+"/", body)
	if err != nil {
		return answerOf{}, err
	}
	if strings.HasPrefix(q.path, "//") {
		r.URL.Path = q.path
	} else {
		r.URL.Path, r.URL.Opaque = "", q.path
	}
	for i := 0; i+1 < len(q.header); i += 2 {
		if q.header[i] == "Host" {
			r.Host = q.header[i+1]
			continue
		}
		r.Header[q.header[i]] = append(r.Header[q.header[i]], q.header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		return answerOf{}, err
	}
	defer func() { _ = res.Body.Close() }() // it is read to its end
	data, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	return answerOf{res.StatusCode, res.Header, string(data)}, err
}

// asks makes a row's function of one request and what to make of the answer.
// judge returns whether the attack, or the good request, has succeeded, and in
// a few words how; no words mean the status.
func asks(question func(s *demoSide) ask, judge func(s *demoSide, a answerOf) (bool, string)) func(context.Context, *demoSide) outcome {
	return func(ctx context.Context, s *demoSide) outcome {
		a, err := s.do(ctx, question(s))
		if err != nil {
			return outcome{err: err}
		}
		passed, text := judge(s, a)
		if text == "" {
			text = a.number()
		}
		return outcome{passed: passed, text: text, ids: []string{a.id()}}
	}
}

// succeeds is the judgement by status alone.
func succeeds(_ *demoSide, a answerOf) (bool, string) { return a.success(), "" }

func failed(err error) outcome { return outcome{err: err} }
