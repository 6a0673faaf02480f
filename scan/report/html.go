package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

//go:embed style.css
var style string

// page writes one HTML page. Everything that is not a constant goes through
// text, which escapes; there is no other way in.
type page struct{ w *bufio.Writer }

// raw writes markup of our own.
func (p *page) raw(markup string) { _, _ = p.w.WriteString(markup) } // Flush tells of errors

// text writes what came from elsewhere.
func (p *page) text(s string) { p.raw(html.EscapeString(printable(s, true))) }

// el writes an element with one text in it. open is the tag with attributes.
func (p *page) el(open, s string) {
	name, _, _ := strings.Cut(open, " ")
	p.raw("<" + open + ">")
	p.text(s)
	p.raw("</" + name + ">")
}

// writeHTML writes one page that needs nothing else: no network, no script.
func writeHTML(w io.Writer, r *scan.Report, o Options) error {
	p := &page{bufio.NewWriter(w)}
	sum := sha256.Sum256([]byte(style))
	p.raw(`<!doctype html><html lang="en"><head><meta charset="utf-8">` +
		`<meta name="viewport" content="width=device-width, initial-scale=1">` +
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-` +
		base64.StdEncoding.EncodeToString(sum[:]) + `'; base-uri 'none'; form-action 'none'">` +
		`<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">`)
	p.el("title", "Wiretight: "+r.Target+", grade "+grade(r))
	p.raw("<style>" + style + "</style></head><body><main>")
	p.top(r)
	p.findings(r)
	p.closing(r)
	p.table("Not decided", "These checks could not tell. Nothing is said about them.", r.Inconclusive)
	p.passed(r)
	p.table("Skipped", "These checks did not run.", r.Skipped)
	p.suppressed(r)
	p.subsumed(r)
	p.score(r, o)
	p.foot(r, o)
	p.raw("</main></body></html>\n")
	return p.w.Flush()
}

func (p *page) top(r *scan.Report) {
	p.raw(`<header><h1>Scan of an API as an attacker on the path sees it</h1>`)
	p.el(`p class="target"`, r.Target)
	if s := stackOf(r); s != "" {
		p.raw(`<p class="soft">Runs on `)
		p.text(s)
		if r.Stack.Evidence != "" {
			p.text(" (" + r.Stack.Evidence + ")")
		}
		p.raw(`</p>`)
	}
	class := "none"
	if r.Grade != nil && len(*r.Grade) == 1 {
		class = *r.Grade
	}
	p.raw(`<div class="top">`)
	p.el(`div class="grade `+html.EscapeString(class)+`" role="img" aria-label="Grade `+html.EscapeString(grade(r))+`"`, grade(r))
	p.raw(`<div>`)
	if r.Score != nil {
		p.el(`p class="score"`, fmt.Sprintf("%d of 100 points", *r.Score))
	} else {
		p.el(`p class="score"`, "No grade: the scan is incomplete")
	}
	p.raw(`<ul class="tally">`)
	n := counts(r)
	for _, s := range severities {
		if n[s] > 0 {
			p.raw(fmt.Sprintf(`<li class="%s"><b>%d</b> <span class="sev">%s</span></li>`, s, n[s], s))
		}
	}
	if len(r.Findings) == 0 {
		p.raw(`<li>No findings</li>`)
	}
	p.raw(`</ul>`)
	p.el(`p class="soft"`, fmt.Sprintf("%d checks passed, %d not decided, %d skipped. %d requests in %.1f seconds, %s.",
		len(r.Passed), len(r.Inconclusive), len(r.Skipped), r.Requests, float64(r.DurationMS)/1000, r.Started.UTC().Format("2 January 2006, 15:04 UTC")))
	p.raw(`</div></div>`)
	if r.Incomplete != "" {
		p.raw(`<p class="warn"><b>Incomplete.</b> `)
		p.text(r.Incomplete + ". What is below was found until then.")
		p.raw(`</p>`)
	}
	p.raw(`</header>`)
}

func (p *page) findings(r *scan.Report) {
	if len(r.Findings) == 0 {
		return
	}
	p.raw(`<section><h2>Findings</h2>`)
	for _, s := range severities {
		for _, f := range of(r, s) {
			p.finding(&f)
		}
	}
	p.raw(`</section>`)
}

func (p *page) finding(f *scan.Finding) {
	p.raw(`<article class="finding ` + severityClass(f.Severity) + `"><div class="meta">`)
	p.el(`span class="sev"`, string(f.Severity))
	p.el(`span class="mono"`, f.ID)
	for _, c := range f.CWE {
		p.el("span", c)
	}
	if f.Confidence != "" && f.Confidence != "high" {
		p.el("span", "confidence "+f.Confidence)
	}
	p.raw(`</div>`)
	p.el("h3", f.Title)
	p.raw(`<ul class="at">`)
	for _, at := range places(f) {
		p.raw(`<li>`)
		p.el("code", strings.TrimSpace(at.Method+" "+at.URL))
		p.raw(`</li>`)
	}
	p.raw(`</ul><details><summary>Evidence</summary>`)
	p.el("pre", f.Evidence)
	if f.Repeat != "" {
		p.raw(`<p class="soft">See it again:</p>`)
		p.el("pre", f.Repeat)
	}
	p.raw(`</details><div class="fix"><b>Fix.</b> `)
	p.text(f.Remediation.Text)
	if f.Remediation.Code != "" {
		p.raw(`<details><summary>Code`)
		if f.Remediation.Language != "" {
			p.text(" (" + f.Remediation.Language + ")")
		}
		p.raw(`</summary>`)
		p.el("pre", f.Remediation.Code)
		p.raw(`</details>`)
	}
	p.raw(`</div>`)
	switch {
	case sentence(f.Guard):
		p.raw(`<p class="fix"><b>Guard.</b> `)
		p.text(f.Guard)
		p.raw(`</p>`)
	case f.Guard != "":
		p.raw(`<p class="fix"><b>Or let the guard close it:</b> `)
		p.el("code", f.Guard)
		p.raw(`</p>`)
	}
	p.raw(`</article>`)
}

// sentence tells a remark about the guard from a key of its configuration.
func sentence(s string) bool { return strings.HasSuffix(s, ".") }

func severityClass(s catalog.Severity) string {
	if s.Rank() < 0 {
		return "info"
	}
	return string(s)
}

// closing lists the keys of the guard that close what was found.
func (p *page) closing(r *scan.Report) {
	var keys []string
	ids := map[string][]string{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Guard == "" || sentence(f.Guard) {
			continue
		}
		if ids[f.Guard] == nil {
			keys = append(keys, f.Guard)
		}
		ids[f.Guard] = append(ids[f.Guard], f.ID)
	}
	if len(keys) == 0 {
		return
	}
	p.raw(`<section><h2>What the guard closes</h2><table><thead><tr><th>Configuration</th><th>Closes</th></tr></thead><tbody>`)
	for _, k := range keys {
		p.raw(`<tr><td>`)
		p.el("code", k)
		p.raw(`</td>`)
		p.el(`td class="mono"`, strings.Join(ids[k], ", "))
		p.raw(`</tr>`)
	}
	p.raw(`</tbody></table></section>`)
}

func (p *page) table(title, says string, list []scan.Undecided) {
	if len(list) == 0 {
		return
	}
	p.raw(`<section>`)
	p.el("h2", fmt.Sprintf("%s (%d)", title, len(list)))
	p.el(`p class="soft"`, says)
	p.raw(`<table><thead><tr><th>Check</th><th>Why</th></tr></thead><tbody>`)
	for _, u := range list {
		p.raw(`<tr>`)
		p.el(`td class="mono"`, u.ID)
		p.el("td", u.Reason)
		p.raw(`</tr>`)
	}
	p.raw(`</tbody></table></section>`)
}

func (p *page) passed(r *scan.Report) {
	if len(r.Passed) == 0 {
		return
	}
	p.raw(`<section>`)
	p.el("h2", fmt.Sprintf("Passed (%d)", len(r.Passed)))
	p.raw(`<ul class="passed">`)
	for _, id := range r.Passed {
		p.raw(`<li>`)
		p.el(`span class="mono"`, id)
		p.raw(`</li>`)
	}
	p.raw(`</ul></section>`)
}

func (p *page) suppressed(r *scan.Report) {
	if len(r.Suppressed) == 0 {
		return
	}
	p.raw(`<section>`)
	p.el("h2", fmt.Sprintf("Accepted by the baseline (%d)", len(r.Suppressed)))
	p.raw(`<table><thead><tr><th>Check</th><th>Until</th><th>Why</th></tr></thead><tbody>`)
	for _, s := range r.Suppressed {
		p.raw(`<tr>`)
		p.el(`td class="mono"`, s.ID)
		p.el("td", s.Expires)
		p.el("td", s.Reason)
		p.raw(`</tr>`)
	}
	p.raw(`</tbody></table></section>`)
}

func (p *page) subsumed(r *scan.Report) {
	if len(r.Subsumed) == 0 {
		return
	}
	p.raw(`<section>`)
	p.el("h2", fmt.Sprintf("Part of a wider finding (%d)", len(r.Subsumed)))
	p.raw(`<p class="soft">These would all be reported because of one cause. It is reported once.</p>` +
		`<table><thead><tr><th>Check</th><th>Part of</th></tr></thead><tbody>`)
	for _, s := range r.Subsumed {
		p.raw(`<tr>`)
		p.el(`td class="mono"`, s.ID)
		p.el(`td class="mono"`, s.By)
		p.raw(`</tr>`)
	}
	p.raw(`</tbody></table></section>`)
}

func (p *page) score(r *scan.Report, o Options) {
	p.raw(`<section><h2>The score</h2><details`)
	if o.Explain {
		p.raw(` open`)
	}
	p.raw(`><summary>How it came about</summary>`)
	p.el("pre", strings.Join(explained(r), "\n"))
	p.raw(`</details></section>`)
}

func (p *page) foot(r *scan.Report, o Options) {
	p.raw(`<footer>Made by wiretight scan`)
	if o.ToolVersion != "" {
		p.text(" " + o.ToolVersion)
	}
	p.text(" on " + r.Started.UTC().Format("2 January 2006") + ". Tokens and secrets are masked throughout.")
	p.raw(`</footer>`)
}
