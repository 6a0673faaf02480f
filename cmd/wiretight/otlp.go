package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The exporter of the OpenTelemetry project links gRPC, which makes the linker
// keep every method of the program: 30 MB instead of 16. OTLP over HTTP is one
// POST, so it is made here.

const (
	// otlpAttempts is how often a batch is sent to a collector that is busy.
	otlpAttempts = 3
	// otlpPause is the wait before the second attempt; it doubles.
	otlpPause = time.Second
	// otlpComplaint is the shortest time between two records of failure.
	otlpComplaint = time.Minute
	// maxOTLPAnswer bounds what is read of a collector's answer.
	maxOTLPAnswer = 64 << 10
)

// otlp sends spans to a collector: OTLP over HTTP in binary protobuf. It
// implements sdktrace.SpanExporter.
type otlp struct {
	url     string
	header  http.Header
	gzip    bool
	timeout time.Duration // of one attempt
	client  *http.Client
	logger  *slog.Logger
	// complained is when a failure was last logged, in Unix nanoseconds.
	complained atomic.Int64
}

// ExportSpans sends spans, some times if need be. A collector that cannot be
// reached costs traces and nothing else: it is logged, not returned.
func (o *otlp) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	body, err := o.encode(spans)
	if err != nil {
		o.complain(err, len(spans))
		return nil
	}
	for attempt := range otlpAttempts {
		var again bool
		if again, err = o.post(ctx, body); err == nil || !again || attempt == otlpAttempts-1 {
			break
		}
		wait := time.NewTimer(otlpPause << attempt)
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
		if ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		o.complain(err, len(spans))
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (o *otlp) Shutdown(context.Context) error {
	o.client.CloseIdleConnections()
	return nil
}

func (o *otlp) complain(err error, lost int) {
	now, last := time.Now().UnixNano(), o.complained.Load()
	if now-last > int64(otlpComplaint) && o.complained.CompareAndSwap(last, now) {
		o.logger.Warn("traces could not be sent", "error", err, "spans", lost)
	}
}

// post sends one batch. again tells that another attempt makes sense.
func (o *otlp) post(ctx context.Context, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	for name, values := range o.header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if o.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := o.client.Do(req)
	if err != nil {
		return true, fmt.Errorf("send traces: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxOTLPAnswer)) // so that the connection can be kept
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("send traces: the collector answered %s", res.Status)
}

// encode makes the body of an ExportTraceServiceRequest, whose wire form is
// that of TracesData.
func (o *otlp) encode(spans []sdktrace.ReadOnlySpan) ([]byte, error) {
	if len(spans) == 0 {
		return nil, errors.New("encode traces: there is no span")
	}
	out := make([]*tracepb.Span, len(spans))
	for i, s := range spans {
		out[i] = spanMessage(s)
	}
	scope := spans[0].InstrumentationScope()
	data, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: attributeMessages(spans[0].Resource().Attributes())},
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: scope.Name, Version: scope.Version},
			Spans: out,
		}},
	}}})
	if err != nil {
		return nil, fmt.Errorf("encode traces: %w", err)
	}
	if !o.gzip {
		return data, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		return nil, fmt.Errorf("compress traces: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress traces: %w", err)
	}
	return b.Bytes(), nil
}

// spanMessage leaves out the trace state, which is a client's free text.
func spanMessage(s sdktrace.ReadOnlySpan) *tracepb.Span {
	id, span, parent := s.SpanContext().TraceID(), s.SpanContext().SpanID(), s.Parent().SpanID()
	m := &tracepb.Span{
		TraceId:           id[:],
		SpanId:            span[:],
		Flags:             uint32(s.SpanContext().TraceFlags()),
		Name:              s.Name(),
		Kind:              tracepb.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: uint64(max(0, s.StartTime().UnixNano())),
		EndTimeUnixNano:   uint64(max(0, s.EndTime().UnixNano())),
		Attributes:        attributeMessages(s.Attributes()),
		Status:            &tracepb.Status{},
	}
	if s.SpanKind() == trace.SpanKindServer {
		m.Kind = tracepb.Span_SPAN_KIND_SERVER
	}
	if s.Parent().IsValid() {
		m.ParentSpanId = parent[:]
	}
	if s.Status().Code == codes.Error {
		m.Status.Code = tracepb.Status_STATUS_CODE_ERROR
	}
	return m
}

func attributeMessages(attrs []attribute.KeyValue) []*commonpb.KeyValue {
	out := make([]*commonpb.KeyValue, len(attrs))
	for i, a := range attrs {
		v := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: a.Value.String()}}
		if a.Value.Type() == attribute.INT64 {
			v.Value = &commonpb.AnyValue_IntValue{IntValue: a.Value.AsInt64()}
		}
		out[i] = &commonpb.KeyValue{Key: string(a.Key), Value: v}
	}
	return out
}
