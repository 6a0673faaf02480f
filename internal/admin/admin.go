// Package admin is what operators and their machines look at: health,
// readiness, metrics, the console and the public keys of the internal tokens.
// It decides nothing.
package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wiretight/wiretight/guard"
)

// metricsTimeout bounds the work on one answer of /metrics.
const metricsTimeout = 10 * time.Second

// Config is what the admin listener tells of. All fields are needed.
type Config struct {
	Guard *guard.Guard
	// Registry takes the Handler's collectors, so it serves one Handler only.
	Registry *prometheus.Registry
	// NotAfter says until when each certificate is good.
	NotAfter func() map[string]time.Time
	// Draining says whether the shutdown has begun: a guard that is about to go
	// is not ready.
	Draining func() bool
	// Process says what the console shows of the program.
	Process func() Process
	// Now is the clock.
	Now func() time.Time
}

// Handler answers on the admin listener. Health and metrics answer to any
// Host, the console to names of this machine and Process.Hosts.
func Handler(c Config) http.Handler {
	c.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &certificates{c.NotAfter})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /-/readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := c.readiness()
		status := http.StatusOK
		if !r.Ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, r)
	})
	mux.Handle("GET /-/console", &console{c.Guard, c.Registry, c.readiness, c.NotAfter, c.Process, c.Now})
	mux.Handle("GET /-/jwks.json", c.Guard.InternalJWKS())
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.Registry, promhttp.HandlerOpts{Timeout: metricsTimeout, MaxRequestsInFlight: 8}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// readiness is the guard's, and what the program adds to it.
func (c *Config) readiness() guard.Readiness {
	r := c.Guard.Ready()
	if len(c.NotAfter()) == 0 {
		r.Reasons = append(r.Reasons, "there is no certificate yet")
	}
	if c.Draining() {
		r.Reasons = append(r.Reasons, "the guard is shutting down")
	}
	if r.AcceptedRisks == nil {
		r.AcceptedRisks = []string{} // null is no list
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody left to tell
}

// certificates collects wiretight_tls_not_after_seconds when it is asked for,
// so that a renewal shows at once.
type certificates struct {
	notAfter func() map[string]time.Time
}

var notAfterDesc = prometheus.NewDesc("wiretight_tls_not_after_seconds",
	"Unix time at which the certificate of a name expires.", []string{"name"}, nil)

// Describe implements prometheus.Collector.
func (c *certificates) Describe(ch chan<- *prometheus.Desc) { ch <- notAfterDesc }

// Collect implements prometheus.Collector.
func (c *certificates) Collect(ch chan<- prometheus.Metric) {
	for name, at := range c.notAfter() {
		ch <- prometheus.MustNewConstMetric(notAfterDesc, prometheus.GaugeValue, float64(at.Unix()), name)
	}
}
