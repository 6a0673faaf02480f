package admin

import (
	"bytes"
	"html"
	"strings"
	"unicode"

	"github.com/wiretight/wiretight/internal/redact"
)

// page is HTML in the making. Everything that is not a constant goes through
// text, which masks tokens and escapes; there is no other way in.
type page struct{ out bytes.Buffer }

// raw writes markup of our own.
func (p *page) raw(markup string) { p.out.WriteString(markup) }

// text writes what came from elsewhere: at most maxText bytes of it, control
// characters and those that turn the direction of writing as blanks.
func (p *page) text(s string) {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	p.raw(html.EscapeString(redact.Mask(s)))
}

// maxText bounds one text of the page.
const maxText = 1024

// el writes an element with one text in it. open is the tag with attributes.
func (p *page) el(open, s string) {
	name, _, _ := strings.Cut(open, " ")
	p.raw("<" + open + ">")
	p.text(s)
	p.raw("</" + name + ">")
}

// cell is one place of a table. Its class is a constant.
type cell struct{ class, text string }

func plain(s string) cell { return cell{text: s} }
func mono(s string) cell  { return cell{"mono", s} }
func count(s string) cell { return cell{"n", s} }

// dash stands for what there is none of.
func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// table writes a section with a table; without rows, the sentence none.
func (p *page) table(title, none string, head []string, rows [][]cell) {
	p.raw("<section>")
	p.el("h2", title)
	if len(rows) == 0 {
		p.el(`p class="soft"`, none)
		p.raw("</section>")
		return
	}
	p.raw(`<table><thead><tr>`)
	for i, h := range head {
		class := ""
		if rows[0][i].class == "n" {
			class = ` class="n"`
		}
		p.el(`th scope="col"`+class, h)
	}
	p.raw("</tr></thead><tbody>")
	for _, row := range rows {
		p.raw("<tr>")
		for i, c := range row {
			p.el(`td class="`+c.class+`" data-of="`+html.EscapeString(head[i])+`"`, c.text)
		}
		p.raw("</tr>")
	}
	p.raw("</tbody></table></section>")
}
