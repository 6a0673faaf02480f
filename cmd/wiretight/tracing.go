package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracingFlush bounds how long a shutdown waits for the last spans.
const tracingFlush = 5 * time.Second

// joinTracing makes a span of each request when the standard environment
// variables of OpenTelemetry ask for traces. Otherwise nothing is started.
// Variables that cannot be obeyed cost the traces, never the guard.
func (d *daemon) joinTracing(ctx context.Context) {
	d.tracing = func(h http.Handler) http.Handler { return h }
	exporter, err := otlpFromEnv(os.Getenv, d.logger)
	if err != nil {
		d.logger.Warn("traces are not sent", "error", err)
		return
	}
	if exporter == nil {
		return
	}
	t := newTracing(ctx, exporter)
	d.tracing = t.handler
	d.logger = slog.New(spanLog{d.logger.Handler()})
	d.closers = append(d.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), tracingFlush)
		defer cancel()
		if err := t.provider.Shutdown(ctx); err != nil {
			d.logger.Warn("the last traces are lost", "error", err)
		}
	})
}

// tracing makes spans. What they hold comes from closed sets, the request's id
// and numbers: never a path, query, header or claim.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	wire     propagation.TraceContext // W3C Trace Context
}

func newTracing(ctx context.Context, exporter sdktrace.SpanExporter) *tracing {
	v, _ := buildVersion()
	// What OTEL_RESOURCE_ATTRIBUTES has wrong is left out, the rest stays.
	about, _ := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "wiretight"), attribute.String("service.version", v)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	t := &tracing{provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}
	t.tracer = t.provider.Tracer("github.com/wiretight/wiretight/guard", trace.WithInstrumentationVersion(v))
	return t
}

// handler begins a span for each request, within the client's trace if there
// is one, and lets the upstream go on with it. The rest of the span is written
// by spanLog.
func (t *tracing) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.wire.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		method := methodName(r.Method)
		ctx, span := t.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", method),
			attribute.String("url.scheme", "https"),
			attribute.String("network.protocol.version", protocolVersion(r)),
		))
		defer span.End()
		delete(r.Header, "Traceparent")
		delete(r.Header, "Tracestate")
		t.wire.Inject(ctx, propagation.HeaderCarrier(r.Header))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// methodName keeps a client's inventions out of span names.
func methodName(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// spanLog hands what the record of a request says on to the request's span,
// and notes the trace in the record, so that each leads to the other.
type spanLog struct{ next slog.Handler }

// Enabled lets records pass that only the span needs.
func (l spanLog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level) || trace.SpanFromContext(ctx).IsRecording()
}

// Handle implements slog.Handler.
func (l spanLog) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanFromContext(ctx)
	if span.SpanContext().IsValid() {
		if r.Message == "request" {
			describe(span, r)
		}
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.SpanContext().TraceID().String()))
	}
	if !l.next.Enabled(ctx, r.Level) {
		return nil
	}
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l spanLog) WithAttrs(attrs []slog.Attr) slog.Handler { return spanLog{l.next.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (l spanLog) WithGroup(name string) slog.Handler { return spanLog{l.next.WithGroup(name)} }

// describe takes over what comes from closed sets. A reason may quote claims,
// so it stays in the log.
func describe(span trace.Span, r slog.Record) {
	method, route := "", ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "request_id", "decision", "rule":
			span.SetAttributes(attribute.String("wiretight."+a.Key, a.Value.String()))
		case "method":
			method = methodName(a.Value.String())
		case "route":
			route = a.Value.String()
		case "status":
			span.SetAttributes(attribute.Int64("http.response.status_code", a.Value.Int64()))
			if a.Value.Int64() >= 500 {
				span.SetStatus(codes.Error, "")
			}
		}
		return true
	})
	if route != "" && route != "none" {
		span.SetAttributes(attribute.String("http.route", route))
		span.SetName(method + " " + route)
	}
}

func protocolVersion(r *http.Request) string {
	if r.ProtoMajor == 1 {
		return "1.1"
	}
	return "2"
}
