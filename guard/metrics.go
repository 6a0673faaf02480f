package guard

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what a Guard does. It outlives reloads. Labels come from
// closed sets only: the routes of the configuration, the rules, the issuers.
type Metrics struct {
	requests    *prometheus.CounterVec
	observed    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	upstream    *prometheus.HistogramVec
	jwksAge     *prometheus.GaugeVec
	revocations prometheus.Gauge
	burntTokens prometheus.Counter
	risks       *prometheus.GaugeVec
	ready       prometheus.Gauge
	inflight    prometheus.Gauge
}

// routeMetrics are a route's own series, looked up once.
type routeMetrics struct {
	allowed  prometheus.Counter
	seconds  prometheus.Observer
	upstream prometheus.Observer
}

// NewMetrics registers the metrics of one Guard with r.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "wiretight_requests_total",
			Help: "Requests by route, decision (allowed, refused, observed, failed) and deciding rule.",
		}, []string{"route", "decision", "rule"}),
		observed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "wiretight_observed_refusals_total",
			Help: "Requests that a rule on trial would have refused.",
		}, []string{"route", "rule"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "wiretight_request_seconds",
			Help: "Time from the request's header to the end of its answer.", Buckets: buckets,
		}, []string{"route"}),
		upstream: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "wiretight_upstream_seconds",
			Help: "Time that the upstream took to answer with a header.", Buckets: buckets,
		}, []string{"route"}),
		jwksAge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "wiretight_jwks_age_seconds",
			Help: "Time since the issuer's keys were last fetched.",
		}, []string{"issuer"}),
		revocations: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "wiretight_revocations",
			Help: "Revocations in force on this instance.",
		}),
		burntTokens: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "wiretight_burnt_tokens_total",
			Help: "Valid tokens revoked because they came over plain HTTP.",
		}),
		risks: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "wiretight_accepted_risk",
			Help: "1 for each weakness that the configuration accepts.",
		}, []string{"id"}),
		ready: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "wiretight_ready",
			Help: "1 when the guard can decide every request.",
		}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "wiretight_requests_in_flight",
			Help: "Requests under way to an upstream.",
		}),
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.observed, m.seconds, m.upstream, m.jwksAge, m.revocations,
		m.burntTokens, m.risks, m.ready, m.inflight,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// bind looks up the series of a policy's routes. A nil Metrics counts nothing.
func (m *Metrics) bind(p *policy) {
	if m == nil {
		return
	}
	p.each(func(r *route) {
		r.metrics = routeMetrics{
			allowed:  m.requests.WithLabelValues(r.label, "allowed", ""),
			seconds:  m.seconds.WithLabelValues(r.label),
			upstream: m.upstream.WithLabelValues(r.label),
		}
	})
	m.risks.Reset()
	for _, id := range p.risks {
		m.risks.WithLabelValues(id).Set(1)
	}
	m.jwksAge.Reset()
}

// count adds one finished request.
func (m *Metrics) count(x *exchange, decision string, rule Rule, took time.Duration) {
	if m == nil {
		return
	}
	r := x.route
	label := "none"
	if r != nil {
		label = r.label
	}
	if decision == "allowed" && r != nil && r.metrics.allowed != nil {
		r.metrics.allowed.Inc()
	} else {
		m.requests.WithLabelValues(label, decision, string(rule)).Inc()
	}
	for _, f := range x.observed {
		m.observed.WithLabelValues(label, string(f.rule)).Inc()
	}
	if r != nil && r.metrics.seconds != nil {
		r.metrics.seconds.Observe(took.Seconds())
		if x.upstreamTook > 0 {
			r.metrics.upstream.Observe(x.upstreamTook.Seconds())
		}
	} else {
		m.seconds.WithLabelValues(label).Observe(took.Seconds())
	}
}

func (m *Metrics) burnt() {
	if m != nil {
		m.burntTokens.Inc()
	}
}

// gauges brings the slow-moving figures up to date.
func (m *Metrics) gauges(g *Guard) {
	if m == nil {
		return
	}
	p := g.policy.Load()
	for i, iss := range p.issuers {
		if age, ok := iss.source.Age(g.now()); ok {
			name := iss.name
			if name == "" {
				name = "any-" + strconv.Itoa(i)
			}
			m.jwksAge.WithLabelValues(name).Set(age.Seconds())
		}
	}
	m.revocations.Set(float64(g.revocations.table.Len()))
	m.inflight.Set(float64(g.inflight.count()))
	ready := 0.0
	if len(g.Ready().Reasons) == 0 {
		ready = 1
	}
	m.ready.Set(ready)
}

func (f *inflight) count() (n int) {
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		n += s.n
		s.mu.Unlock()
	}
	return n
}
