package main

import (
	"fmt"
	"html"
	"os"
	"strings"
)

// The plot's measures, in SVG units.
const (
	plotWidth  = 720
	plotLeft   = 130 // where the bars begin
	plotTop    = 64
	barHigh    = 11
	barGap     = 2
	groupGap   = 12
	plotWidest = 8.0 // the multiple at the right edge; longer bars are cut
)

// plotColours go with the proxies in their order; they are told apart on white
// and on black, and by readers who see red and green alike.
var plotColours = []string{"#7a7a7a", "#999933", "#cc6677", "#44aa99", "#aa4499", "#3b7dd8", "#e08a1e"}

const plotStyle = `<style>
text { font: 12px system-ui, sans-serif; fill: #222 }
.small { font-size: 10px; paint-order: stroke; stroke: #fff; stroke-width: 3px }
.axis { stroke: #bbb; stroke-width: 1 }
.unit { stroke: #222; stroke-width: 1.5 }
.aim { fill: none; stroke: #222; stroke-width: 1.5 }
.ground { fill: #fff }
@media (prefers-color-scheme: dark) {
text { fill: #ddd }
.axis { stroke: #555 }
.unit, .aim { stroke: #ddd }
.ground { fill: #111 }
.small { stroke: #111 }
}
</style>
`

// plot draws the multiples as bars: a group a row, a bar a proxy; a line at 1,
// which is the baseline, and a mark at each row's target.
func (r *results) plot() string {
	var bars, labels strings.Builder // labels on top of bars and marks
	y := plotTop
	for _, w := range r.rows() {
		if w.figure != cpuMultiple {
			continue
		}
		top := y
		for i, p := range r.Proxies {
			v, multiple := r.values(w, p)
			if !multiple || len(v) == 0 {
				continue
			}
			drawBar(&bars, &labels, y, plotColours[i%len(plotColours)], median(v), p)
			y += barHigh + barGap
		}
		if y == top {
			continue
		}
		fmt.Fprintf(&bars, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n",
			plotLeft-8, (top+y-barGap)/2+4, html.EscapeString(w.title))
		if w.ahead > 0 {
			fmt.Fprintf(&bars, `<path class="aim" d="M%.1f %dV%d"><title>target %v</title></path>`+"\n", plotX(w.ahead), top-3, y+1, w.ahead)
		}
		y += groupGap
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="CPU time a request">`+"\n%s",
		plotWidth, y+20, plotStyle)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d"/>`+"\n", plotWidth, y+20)
	fmt.Fprintf(&b, `<text x="8" y="18">CPU time a request, as multiples of %s without checks; upright marks are targets</text>`+"\n", baseline)
	r.drawLegend(&b)
	drawAxis(&b, y)
	b.WriteString(bars.String() + labels.String() + "</svg>\n")
	return b.String()
}

func plotX(v float64) float64 {
	return plotLeft + min(v, plotWidest)/plotWidest*(plotWidth-plotLeft-50)
}

func drawBar(b, labels *strings.Builder, y int, colour string, v float64, proxy string) {
	more := ""
	if v > plotWidest {
		more = " →"
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"><title>%s</title></rect>`+"\n",
		plotLeft, y, plotX(v)-plotLeft, barHigh, colour, html.EscapeString(proxy))
	fmt.Fprintf(labels, `<text class="small" x="%.1f" y="%d">%.2f%s</text>`+"\n", plotX(v)+6, y+barHigh-2, v, more)
}

func (r *results) drawLegend(b *strings.Builder) {
	x := 8
	for i, p := range r.Proxies {
		if p == baseline {
			continue
		}
		fmt.Fprintf(b, `<rect x="%d" y="30" width="11" height="11" fill="%s"/><text x="%d" y="40">%s</text>`+"\n",
			x, plotColours[i%len(plotColours)], x+15, html.EscapeString(p))
		x += 15 + 8*len(p) + 16
	}
}

func drawAxis(b *strings.Builder, bottom int) {
	for v := range int(plotWidest) + 1 {
		class := "axis"
		if v == 1 {
			class = "unit"
		}
		x := plotX(float64(v))
		fmt.Fprintf(b, `<path class="%s" d="M%.1f %dV%d"/><text class="small" x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n",
			class, x, plotTop-6, bottom, x, bottom+12, v)
	}
}

func (r *results) writePlot(file string) error {
	if err := os.WriteFile(file, []byte(r.plot()), 0o644); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}
