package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// otlpFromEnv makes the exporter that the standard environment variables ask
// for (OpenTelemetry specification, OTLP Exporter Configuration). Nil: they ask
// for none.
func otlpFromEnv(env func(string) string, logger *slog.Logger) (*otlp, error) {
	v := otlpVariables(env)
	if wanted, err := v.wanted(); err != nil || !wanted {
		return nil, err
	}
	if p := v.get("PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL %q is not supported; write http/protobuf and give the collector's HTTP port, by default 4318", p)
	}
	target, err := v.endpoint()
	if err != nil {
		return nil, err
	}
	o := &otlp{url: target.String(), timeout: 10 * time.Second, logger: logger}
	if o.header, err = v.headers(); err != nil {
		return nil, err
	}
	if ms := v.get("TIMEOUT"); ms != "" {
		n, err := strconv.ParseUint(ms, 10, 31)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT %q is no number of milliseconds", ms)
		}
		o.timeout = time.Duration(n) * time.Millisecond
	}
	switch c := v.get("COMPRESSION"); c {
	case "", "none":
	case "gzip":
		o.gzip = true
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION %q is not supported; write gzip or none", c)
	}
	conf, err := v.tls()
	if err != nil {
		return nil, err
	}
	if len(o.header) > 0 && target.Scheme == "http" && !loopback(target.Hostname()) {
		logger.Warn("traces and OTEL_EXPORTER_OTLP_HEADERS leave this machine over plain HTTP; use https", "endpoint", target.Redacted())
	}
	o.client = &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     conf,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			IdleConnTimeout:     90 * time.Second,
			MaxIdleConns:        2,
			ForceAttemptHTTP2:   true,
		},
		// The headers are for the named collector only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return o, nil
}

// otlpVariables reads a variable for traces, or else the one for all signals.
type otlpVariables func(string) string

func (v otlpVariables) get(name string) string {
	if s := strings.TrimSpace(v("OTEL_EXPORTER_OTLP_TRACES_" + name)); s != "" {
		return s
	}
	return strings.TrimSpace(v("OTEL_EXPORTER_OTLP_" + name))
}

func (v otlpVariables) wanted() (bool, error) {
	if strings.EqualFold(strings.TrimSpace(v("OTEL_SDK_DISABLED")), "true") {
		return false, nil
	}
	switch e := strings.TrimSpace(v("OTEL_TRACES_EXPORTER")); e {
	case "otlp":
		return true, nil
	case "none":
		return false, nil
	case "":
		return v.get("ENDPOINT") != "", nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER %q is not supported; write otlp or none", e)
	}
}

func (v otlpVariables) endpoint() (*url.URL, error) {
	text, path := strings.TrimSpace(v("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")), ""
	if text == "" {
		text, path = strings.TrimSpace(v("OTEL_EXPORTER_OTLP_ENDPOINT")), "v1/traces"
	}
	if text == "" {
		text = "http://localhost:4318"
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the OTLP endpoint is no URL; write OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318")
	}
	if path != "" {
		u = u.JoinPath(path)
	}
	return u, nil
}

// headers reads name=value,name=value with percent-encoded values. Errors do
// not quote them: they hold credentials.
func (v otlpVariables) headers() (http.Header, error) {
	h := http.Header{}
	for pair := range strings.SplitSeq(v.get("HEADERS"), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		name = strings.TrimSpace(name)
		if !ok || err != nil || name == "" || strings.ContainsAny(name+value, "\r\n\x00") {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS is malformed; write name=value,name=value")
		}
		h.Set(name, value)
	}
	return h, nil
}

func (v otlpVariables) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := v.get("CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE %q holds no certificate in PEM", file)
		}
	}
	cert, key := v.get("CLIENT_CERTIFICATE"), v.get("CLIENT_KEY")
	if cert == "" && key == "" {
		return conf, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("load OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _KEY: %w", err)
	}
	conf.Certificates = []tls.Certificate{pair}
	return conf, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
