package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPlot(t *testing.T) {
	t.Parallel()
	r := someResults()
	r.Proxies = append(r.Proxies, `<s&"`)
	r.Samples = append(r.Samples, sample{Round: 1, Row: "rs256", Proxy: `<s&"`, Value: 9000, Turns: []float64{9000}, Requests: 1})
	text := r.plot()
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("got %v in\n%s", err, text)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	// The ground, three in the legend, three bars of rs256.
	if bars != 7 {
		t.Errorf("got %d rectangles, want 7:\n%s", bars, text)
	}
	for _, want := range []string{">2.50</text>", ">450.00 →</text>", "prefers-color-scheme: dark", "&lt;s&amp;"} {
		if !strings.Contains(text, want) {
			t.Errorf("got no %q in\n%s", want, text)
		}
	}
}
