package admin

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wiretight/wiretight/guard"
)

// Process is what only the program around a Guard knows.
type Process struct {
	// Version and Commit are of the program.
	Version, Commit string
	Started         time.Time
	// Listeners are in the order in which they are to be shown.
	Listeners []Listener
	// Store names where the state lies, without user, password and options.
	Store string
	// Hosts are the names besides loopback under which the console answers, in
	// lower case. One without a port matches any port.
	Hosts []string
}

// Listener is an address that accepts connections.
type Listener struct{ Name, Addr string }

//go:embed console.css
var style string

// consoleHeaders are those of every answer of the console. The page needs
// nothing from anywhere, runs no script and stands in no frame.
var consoleHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + hashOf(style) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// refresh is how often the page loads itself again, in seconds.
const refresh = "5"

// console is a page for people that shows what the guard does. It changes
// nothing. It answers to this machine's own names and Process.Hosts only.
type console struct {
	guard    *guard.Guard
	counts   prometheus.Gatherer
	ready    func() guard.Readiness
	notAfter func() map[string]time.Time
	process  func() Process
	now      func() time.Time
}

func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, value := range consoleHeaders {
		h.Set(name, value)
	}
	p := c.process()
	if !consoleHost(r.Host, p.Hosts) {
		http.Error(w, "Host not allowed; use localhost, or name the host in admin_hosts", http.StatusBadRequest)
		return
	}
	page := c.page(&p)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	_, _ = w.Write(page) // the client is gone: nobody left to tell
}

func (c *console) page(about *Process) []byte {
	p, now := &page{}, c.now()
	s, ready, n := c.guard.Status(), c.ready(), gather(c.counts)
	state := "ready"
	if !ready.Ready {
		state = "not ready"
	}
	p.raw(`<!doctype html><html lang="en"><head><meta charset="utf-8">` +
		`<meta name="viewport" content="width=device-width, initial-scale=1">` +
		`<meta http-equiv="refresh" content="` + refresh + `"><meta name="robots" content="noindex">`)
	p.el("title", "Wiretight: "+state)
	p.raw("<style>" + style + "</style></head><body><main>")
	p.top(about, &s, ready, now)
	p.tiles(&s, &n)
	p.refusals(&s, &n)
	p.routes(&s)
	p.issuers(&s)
	p.store(about, &s)
	p.places(about, &s)
	p.certificates(c.notAfter(), now)
	p.raw(`<footer>`)
	p.text("As of " + now.UTC().Format("2006-01-02 15:04:05") + " UTC; loads itself again every " + refresh + " seconds.")
	p.raw("</footer></main></body></html>\n")
	return p.out.Bytes()
}

func (p *page) top(about *Process, s *guard.Status, ready guard.Readiness, now time.Time) {
	p.raw(`<header><h1>Wiretight guard</h1><p class="state">`)
	if ready.Ready {
		p.raw(`<strong class="pill good">Ready</strong>`)
	} else {
		p.raw(`<strong class="pill bad">Not ready</strong>`)
	}
	if s.Mode == guard.ObserveOnly {
		p.raw(` <strong class="pill warn">Mode observe: nothing is refused</strong>`)
	} else {
		p.raw(` <span class="pill">Mode enforce</span>`)
	}
	p.raw(`</p>`)
	p.el(`p class="soft"`, "Version "+about.Version+" (commit "+about.Commit+"), up "+span(now.Sub(about.Started)))
	p.raw(`</header>`)
	p.box("bad", "Not ready", ready.Reasons)
	p.box("warn", "Accepted risks", ready.AcceptedRisks)
	rules := make([]string, len(s.Observed))
	for i, r := range s.Observed {
		rules[i] = string(r)
	}
	p.box("warn", "Rules on trial, which refuse nothing", rules)
}

// box writes a list that must not be overlooked, if there is anything in it.
func (p *page) box(class, title string, items []string) {
	if len(items) == 0 {
		return
	}
	p.raw(`<div class="box ` + class + `">`)
	p.el("h2", title)
	p.raw("<ul>")
	for _, item := range items {
		p.el("li", item)
	}
	p.raw("</ul></div>")
}

func (p *page) tiles(s *guard.Status, n *counters) {
	p.raw(`<dl class="tiles">`)
	var all float64
	for _, v := range n.byDecision {
		all += v
	}
	for _, t := range []struct{ name, value string }{
		{"Requests", whole(all)},
		{"Allowed", whole(n.byDecision["allowed"])},
		{"Refused", whole(n.byDecision["refused"])},
		{"Let through on trial", whole(n.byDecision["observed"])},
		{"Failed", whole(n.byDecision["failed"])},
		{"Under way", strconv.Itoa(s.InFlight)},
		{"Tokens remembered", whole(float64(s.Remembered))},
		{"Revocations held", whole(float64(s.Revocations))},
		{"Tokens burnt", whole(n.burnt)},
	} {
		p.raw("<div>")
		p.el("dt", t.name)
		p.el("dd", t.value)
		p.raw("</div>")
	}
	p.raw("</dl>")
}

func (p *page) refusals(s *guard.Status, n *counters) {
	rows := make([][]cell, len(n.rules))
	for i, r := range n.rules {
		rows[i] = []cell{mono(r.rule), count(whole(r.refused)), count(whole(r.observed))}
	}
	p.table("Refusals by rule", "Nothing was refused since the start.", []string{"Rule", "Refused", "Would be refused"}, rows)
}

func (p *page) routes(s *guard.Status) {
	var rows [][]cell
	var own []string
	for i := range s.Routes {
		r := &s.Routes[i]
		if r.Local {
			own = append(own, r.Path)
			continue
		}
		path := mono(r.Path)
		if r.Path == "" {
			path = plain("everything else")
		}
		rows = append(rows, []cell{path, mono(methods(r.Methods)), plain(needs(r)), mono(dash(r.Upstream))})
	}
	p.table("Routes, in the order in which they are tried", "", []string{"Path", "Methods", "Needs", "Upstream"}, rows)
	if len(own) > 0 {
		p.el(`p class="soft after"`, "Answered by the guard itself, before any route: "+strings.Join(own, ", "))
	}
}

func methods(m []string) string {
	if len(m) == 0 {
		return "all"
	}
	return strings.Join(m, " ")
}

// needs says in words what a route asks for.
func needs(r *guard.RouteStatus) string {
	if r.Public {
		return "nothing: public"
	}
	words := []string{"a token"}
	if len(r.Scopes) > 0 {
		words = append(words, "scope "+strings.Join(r.Scopes, " "))
	}
	if len(r.Issuers) > 0 {
		words = append(words, "issuer "+strings.Join(r.Issuers, " or "))
	}
	switch r.Binding {
	case guard.BindingRequired:
		words = append(words, "bound to the client")
	case guard.BindingOff:
		words = append(words, "bindings not looked at")
	}
	if r.Once {
		words = append(words, "good once")
	}
	return strings.Join(words, ", ")
}

func (p *page) issuers(s *guard.Status) {
	var rows [][]cell
	for _, iss := range s.Issuers {
		name := iss.Issuer
		if name == "" {
			name = "any issuer"
		}
		state, class := "in use", ""
		if iss.Age >= 0 {
			state = "fetched " + span(iss.Age) + " ago"
		}
		if iss.Error != "" {
			state, class = iss.Error, "late"
			if len(iss.Keys) > 0 {
				state = "still in use, but: " + iss.Error
			}
		}
		if len(iss.Keys) == 0 {
			rows = append(rows, []cell{mono(name), plain("none"), plain("–"), {class, state}})
		}
		for _, k := range iss.Keys {
			kid := mono(k.ID)
			if k.ID == "" {
				kid = plain("without a kid")
			}
			algs := strings.Join(k.Algorithms, " ")
			if algs == "" {
				algs = "none that is allowed"
			}
			rows = append(rows, []cell{mono(name), kid, mono(algs), {class, state}})
		}
	}
	p.table("Issuers and their keys", "No issuer is configured: every token is refused.", []string{"Issuer", "Key", "Algorithms", "State"}, rows)
}

func (p *page) store(about *Process, s *guard.Status) {
	answers, copied := plain("answers"), plain("never whole")
	if s.StoreError != "" {
		answers = cell{"late", "does not answer: " + s.StoreError}
	}
	switch {
	case s.CopyAge > s.Staleness || s.CopyAge < 0:
		copied.class = "late"
		if s.CopyAge >= 0 {
			copied.text = span(s.CopyAge) + " old, more than " + s.Staleness.String() + ": tokens are refused"
		}
	default:
		copied.text = span(s.CopyAge) + " old, good for " + s.Staleness.String()
	}
	p.table("Store", "", []string{"Store", "State", "Copy of the revocations"}, [][]cell{{mono(about.Store), answers, copied}})
}

func (p *page) places(about *Process, s *guard.Status) {
	var rows [][]cell
	for _, l := range about.Listeners {
		rows = append(rows, []cell{plain(l.Name), mono(l.Addr)})
	}
	p.table("Listeners", "", []string{"Listener", "Address"}, rows)
	rows = nil
	for _, h := range s.Hosts {
		rows = append(rows, []cell{mono(h)})
	}
	p.table("Hosts", "", []string{"Name"}, rows)
	rows = nil
	for _, u := range s.Upstreams {
		note := "–"
		if u.Insecure {
			note = "insecure: true"
		}
		rows = append(rows, []cell{mono(u.Name), mono(u.URL), plain(note)})
	}
	p.table("Upstreams", "None: other proxies carry the requests.", []string{"Name", "URL", "Note"}, rows)
	if len(s.Upstreams) > 0 {
		p.el(`p class="soft after"`, "forward: "+string(s.Forward))
	}
}

func (p *page) certificates(notAfter map[string]time.Time, now time.Time) {
	var rows [][]cell
	for _, name := range slices.Sorted(maps.Keys(notAfter)) {
		at := notAfter[name]
		left := cell{"", "in " + span(at.Sub(now))}
		switch d := at.Sub(now); {
		case d <= 0:
			left = cell{"late", "expired"}
		case d < soon:
			left.class = "due"
		}
		rows = append(rows, []cell{mono(name), plain(at.UTC().Format("2006-01-02 15:04") + " UTC"), left})
	}
	p.table("Certificates", "There is no certificate yet.", []string{"Name", "Expires", ""}, rows)
}

// soon is when an expiry begins to stand out.
const soon = 7 * 24 * time.Hour

// span writes a duration with one unit, rounded down.
func span(d time.Duration) string {
	d = max(0, d)
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= 2*u.unit {
			return fmt.Sprintf("%d %s", d/u.unit, u.name)
		}
	}
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// whole writes a count with its thousands apart.
func whole(f float64) string {
	s := strconv.FormatFloat(f, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
