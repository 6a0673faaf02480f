package main

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/wiretight/wiretight/internal/port"
)

// collector is an OTLP collector over HTTP.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	header  http.Header
	path    string
	raw     strings.Builder // every body, decompressed
	spans   []*tracepb.Span
	service string
	// answers are the statuses to give, then 200.
	answers []int
}

func newCollector(t testing.TB) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Errorf("read compressed traces: %v", err)
				return
			}
			body = z
		}
		data, err := io.ReadAll(body)
		var m tracepb.TracesData
		if err != nil || proto.Unmarshal(data, &m) != nil {
			t.Errorf("got a body that is no TracesData: %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.answers) > 0 {
			w.WriteHeader(c.answers[0])
			c.answers = c.answers[1:]
			return
		}
		c.header, c.path = r.Header.Clone(), r.URL.Path
		c.raw.Write(data)
		for _, rs := range m.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					c.service = a.Value.GetStringValue()
				}
			}
			for _, s := range rs.ScopeSpans {
				c.spans = append(c.spans, s.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) named(name string) *tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func attributesOf(s *tracepb.Span) map[string]any {
	m := map[string]any{}
	for _, a := range s.Attributes {
		if a.Value.GetStringValue() != "" {
			m[a.Key] = a.Value.GetStringValue()
		} else {
			m[a.Key] = a.Value.GetIntValue()
		}
	}
	return m
}

const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
)

func TestTraces(t *testing.T) {
	t.Parallel()
	b, c := newBed(t), newCollector(t)
	b.config("routes: [{path: /items/*, scopes: [read]}]\nlog: {level: error}")
	b.write("wiretight.yaml", []byte(strings.Replace(read(t, b.path("wiretight.yaml")), "log: {format: json}\n", "", 1)))
	g := b.launch([]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=collector%20key", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test",
	}, "-c", "wiretight.yaml")
	g.waitReady()
	raw := b.mint(map[string]any{"sub": "canary-subject", "scope": "read"})
	ask := func(want int, path, raw string, header ...string) {
		t.Helper()
		if status, body, err := g.ask(g.client, path, raw, header...); err != nil || status != want {
			t.Errorf("got %d %s %v for %s, want %d", status, body, err, path, want)
		}
	}
	ask(200, "/items/canary-path?access=canary-query", raw,
		"Traceparent", "00-"+clientTrace+"-"+clientSpan+"-01", "Tracestate", "vendor=canary-state",
		"Cookie", "session=canary-cookie", "User-Agent", "canary-agent")
	b.mu.Lock()
	seen := b.seen
	b.mu.Unlock()
	parts := strings.Split(seen.Get("Traceparent"), "-")
	if len(parts) != 4 || parts[1] != clientTrace || parts[2] == clientSpan || parts[3] != "01" {
		t.Errorf("got traceparent %q at the upstream, want the client's trace and a span of ours", seen.Get("Traceparent"))
	}
	if got := seen.Get("Tracestate"); got != "vendor=canary-state" {
		t.Errorf("got tracestate %q at the upstream, want the client's", got)
	}
	ask(401, "/", "", "Traceparent", "garbage", "Tracestate", "vendor=canary-state")
	g.stop() // flushes

	span := c.named("GET /items/*")
	if span == nil {
		t.Fatalf("got spans %v, want one named by method and route", c.spans)
	}
	if got := []string{hex.EncodeToString(span.TraceId), hex.EncodeToString(span.ParentSpanId), hex.EncodeToString(span.SpanId)}; got[0] != clientTrace || got[1] != clientSpan || got[2] != parts[2] {
		t.Errorf("got trace, parent and span %v, want %s, %s and %s", got, clientTrace, clientSpan, parts[2])
	}
	attrs := attributesOf(span)
	if id, _ := attrs["wiretight.request_id"].(string); !regexp.MustCompile("^[0-9a-f]{32}$").MatchString(id) {
		t.Errorf("got request id %q", id)
	}
	delete(attrs, "wiretight.request_id")
	if diff := cmp.Diff(map[string]any{
		"http.request.method": "GET", "http.route": "/items/*", "http.response.status_code": int64(200),
		"url.scheme": "https", "network.protocol.version": "1.1", "wiretight.decision": "allowed",
	}, attrs); diff != "" {
		t.Error(diff)
	}
	refused := c.named("GET default")
	if refused == nil || len(refused.ParentSpanId) != 0 || attributesOf(refused)["wiretight.rule"] != "token" {
		t.Errorf("got %v for the refused request, want a trace of its own and the rule", refused)
	}
	if c.path != "/v1/traces" || c.header.Get("X-Api-Key") != "collector key" || c.service != "wiretight" {
		t.Errorf("got path %s, key %q, service %s", c.path, c.header.Get("X-Api-Key"), c.service)
	}
	b.noToken("the traces", c.raw.String())
	if found := regexp.MustCompile("canary-[a-z]+").FindString(c.raw.String()); found != "" {
		t.Errorf("got %s in the traces", found)
	}
}

func TestTraceIDIsInTheLog(t *testing.T) {
	t.Parallel()
	b, c := newBed(t), newCollector(t)
	b.config("")
	g := b.launch([]string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + c.URL + "/own/path"}, "-c", "wiretight.yaml")
	g.waitReady()
	if status, _, err := g.ask(g.client, "/", b.mint(nil), "Traceparent", "00-"+clientTrace+"-"+clientSpan+"-01"); err != nil || status != 200 {
		t.Errorf("got %d %v, want 200", status, err)
	}
	g.says(`"trace_id":"` + clientTrace + `"`)
	g.stop()
	if c.path != "/own/path" {
		t.Errorf("got path %s, want that of the traces' own variable", c.path)
	}
}

func TestNoTracesUnlessAskedFor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		env  []string
		says string
	}{
		{"nothing said", nil, ""},
		{"none", []string{"OTEL_TRACES_EXPORTER=none"}, ""},
		{"disabled", []string{"OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=otlp"}, ""},
		{"another exporter", []string{"OTEL_TRACES_EXPORTER=jaeger"}, "write otlp or none"},
		{"another protocol", []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "write http/protobuf"},
		{"no URL", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=localhost:4317"}, "the OTLP endpoint is no URL"},
		{"bad headers", []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_HEADERS=secretvalue"}, "OTEL_EXPORTER_OTLP_HEADERS is malformed"},
		{"no CA", []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_CERTIFICATE=/none.pem"}, "/none.pem"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, c := newBed(t), newCollector(t)
			b.config("")
			env := tc.env
			if tc.name != "no URL" && tc.env != nil {
				env = append(env, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL)
			}
			g := b.launch(env, "-c", "wiretight.yaml")
			g.waitReady()
			if status, _, err := g.ask(g.client, "/", b.mint(nil), "Traceparent", "00-"+clientTrace+"-"+clientSpan+"-01"); err != nil || status != 200 {
				t.Errorf("got %d %v, want 200", status, err)
			}
			if got := b.seen.Get("Traceparent"); got != "00-"+clientTrace+"-"+clientSpan+"-01" {
				t.Errorf("got traceparent %q at the upstream, want the client's untouched", got)
			}
			if got := strings.Contains(g.log.String(), "traces are not sent"); got != (tc.says != "") || !strings.Contains(g.log.String(), tc.says) {
				t.Errorf("got %q, want %q in it", g.log.String(), tc.says)
			}
			if strings.Contains(g.log.String(), "secretvalue") || strings.Contains(g.log.String(), "trace_id") {
				t.Errorf("got %q, want neither headers nor trace ids", g.log.String())
			}
			g.stop()
			if len(c.spans) != 0 {
				t.Errorf("got %d spans, want none", len(c.spans))
			}
		})
	}
}

// TestCollectorIsDown holds that traces never cost the service.
func TestCollectorIsDown(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("")
	down := "http://" + port.Keep(t)
	g := b.launch([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + down, "OTEL_BSP_SCHEDULE_DELAY=10"}, "-c", "wiretight.yaml")
	g.waitReady()
	for range 20 {
		g.want(200, "/", b.mint(nil))
	}
	begin := time.Now()
	g.stop()
	if took := time.Since(begin); took > tracingFlush+patience/2 {
		t.Errorf("got %v for the shutdown, want it bounded", took)
	}
	if !strings.Contains(g.log.String(), "traces could not be sent") {
		t.Errorf("got %q, want that traces are lost", g.log.String())
	}
}

func TestBusyCollectorIsAskedAgain(t *testing.T) {
	t.Parallel()
	b, c := newBed(t), newCollector(t)
	c.answers = []int{503}
	b.config("")
	g := b.launch([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL}, "-c", "wiretight.yaml")
	g.waitReady()
	g.want(200, "/", b.mint(nil))
	g.stop()
	if c.named("GET default") == nil {
		t.Error("got no span, want it sent again")
	}
}

// TestTracingStartsNothing counts goroutines, so it runs alone.
func TestTracingStartsNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	d := &daemon{logger: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		t.Setenv(name, "")
	}
	d.joinTracing(t.Context())
	if len(d.closers) != 0 || runtime.NumGoroutine() > before {
		t.Errorf("got %d closers and %d goroutines more, want nothing started", len(d.closers), runtime.NumGoroutine()-before)
	}
}
