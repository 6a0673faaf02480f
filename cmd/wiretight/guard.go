package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/extauthz"
	"github.com/wiretight/wiretight/internal/serve"
	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/issuer"
)

// grace is how long running requests may go on after SIGTERM.
const grace = 30 * time.Second

func guardCommand() *cobra.Command {
	var file string
	var flags config.Flags
	cmd := &cobra.Command{
		Use:   "guard [-c wiretight.yaml] [flags]",
		Short: "The protecting reverse proxy",
		Long: `Protects an API: lets requests through to --upstream only over HTTPS, for a
known host, in one unambiguous form, with a token that was verified in full.

Without -c and --upstream it reads ./wiretight.yaml. With --upstream alone it
needs no file: certificate and token issuer are its own.

SIGTERM lets running requests end and exits 0. SIGHUP, or a change of a watched
file, reloads configuration, certificates and keys; no connection is dropped.

Set OTEL_EXPORTER_OTLP_ENDPOINT to send OpenTelemetry traces (OTLP over HTTP).`,
		Example: `  wiretight guard -c wiretight.yaml
  wiretight guard --upstream http://127.0.0.1:8000 \
      --host api.example.com --cert api.pem --key api-key.pem \
      --issuer https://id.example.com/ --audience api.example.com \
      --jwks https://id.example.com/jwks`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" && flags.Upstream == "" {
				file = nearbyFile()
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			// Whoever presses Ctrl-C twice does not want to wait for running requests.
			context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
			// Without a reader of its log a guard must live on.
			signal.Ignore(syscall.SIGPIPE)
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			return runGuard(ctx, file, flags, hup, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration, `FILE` in YAML")
	guardFlags(cmd, &flags)
	return cmd
}

// defaultFile is the configuration that is meant where none is named.
const defaultFile = "wiretight.yaml"

// nearbyFile is defaultFile, or empty where there is none. One that cannot be
// looked at is for whoever reads it to complain about.
func nearbyFile() string {
	if _, err := os.Stat(defaultFile); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return defaultFile
}

// guardFlags declares the flags that override keys of the file.
func guardFlags(cmd *cobra.Command, f *config.Flags) {
	s := cmd.Flags()
	s.StringVar(&f.Listen, "listen", "", "where TLS is served, `ADDR` as host:port")
	s.StringVar(&f.Plaintext, "plaintext", "", "where plain HTTP is refused or redirected, `ADDR`")
	s.StringVar(&f.Admin, "admin", "", "where health, metrics and console answer, `ADDR`")
	s.StringArrayVar(&f.Hosts, "host", nil, "name that clients use, `NAME` (repeatable)")
	s.StringVar(&f.Cert, "cert", "", "certificate chain, `FILE` in PEM")
	s.StringVar(&f.Key, "key", "", "private key, `FILE` in PEM")
	s.BoolVar(&f.DevCert, "dev-cert", false, "serve a certificate of this machine's own development CA")
	s.StringVar(&f.Upstream, "upstream", "", "`URL` of the protected API")
	s.StringVar(&f.UpstreamCA, "upstream-ca", "", "CA that verifies the upstream, `FILE` in PEM")
	s.StringVar(&f.JWKS, "jwks", "", "key set of the token issuer, `FILE|URL`")
	s.StringVar(&f.Issuer, "issuer", "", "exact iss of the tokens, `ISS`")
	s.StringArrayVar(&f.Audiences, "audience", nil, "accepted aud of the tokens, `AUD` (repeatable)")
	s.StringArrayVar(&f.Algorithms, "algorithm", nil, "accepted signature algorithm, `ALG` (repeatable)")
	s.StringArrayVar(&f.Public, "public", nil, "path that needs no token, `PATH` (repeatable)")
	s.StringVar(&f.Store, "store", "", "store `URL`: bolt://PATH, redis://…, rediss://…, memory:")
	s.StringVar(&f.Mode, "mode", "", "refuse, or only count what would be refused: `enforce|observe`")
	s.StringVar(&f.LogFormat, "log-format", "", "form of the log: `text|json`")
}

// runGuard runs until ctx ends, and leaves nothing behind. It reloads whenever
// hup says so.
func runGuard(ctx context.Context, file string, flags config.Flags, hup <-chan os.Signal, stderr io.Writer) error {
	cfg, err := config.Load(file, flags)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	logs := newLogWriter(stderr, lostLines(cfg.Log))
	defer func() { _ = logs.Close() }() // nowhere left to say that stderr is gone
	logger := newLogger(cfg.Log, logs)
	slog.SetDefault(logger) // net/http quotes upstreams through package log: redacted like the rest
	for _, w := range cfg.Warnings {
		logger.Warn(w)
	}
	defer beside(ctx, paceCollector)()
	defer profiled(logger)()
	d := &daemon{file: file, flags: flags, cfg: cfg, logger: logger, stderr: logs, hup: hup}
	defer d.close()
	err = d.start(ctx)
	if err == nil {
		err = d.run(ctx)
	}
	var exit *exitError
	if err == nil || errors.As(err, &exit) {
		return err
	}
	return &exitError{exitFailed, fmt.Errorf("wiretight: %w", err)}
}

// beside runs do until the returned function is called, which waits for its end.
func beside(ctx context.Context, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// daemon is a running guard with all that it needs.
type daemon struct {
	file   string
	flags  config.Flags
	cfg    *config.Config
	logger *slog.Logger
	stderr *logWriter

	gc       guard.Config // in force
	store    store.Store
	registry *prometheus.Registry
	guard    *guard.Guard
	asked    *extauthz.Authorizer // decides for other proxies
	certs    *serve.Certificates
	server   *serve.Server
	tracing  func(http.Handler) http.Handler
	issuer   *issuer.Issuer // nil: none
	accepted guard.Issuer   // the issuer, as the guard knows it
	closers  []func()
	hup      <-chan os.Signal
	draining atomic.Bool // the shutdown has begun
	mu       sync.Mutex  // guards cfg and gc
}

func (d *daemon) start(ctx context.Context) error {
	var err error
	if d.store, err = store.Open(ctx, d.cfg.Store, time.Now); err != nil {
		return err
	}
	d.closers = append(d.closers, func() { _ = d.store.Close() })
	d.registry = prometheus.NewRegistry()
	if err := countLost(d.registry, d.stderr); err != nil {
		return err
	}
	metrics, err := guard.NewMetrics(d.registry)
	if err != nil {
		return err
	}
	d.joinTracing(ctx)
	d.gc = d.cfg.Guard
	d.gc.Store, d.gc.Logger, d.gc.Metrics = d.store, d.logger, metrics
	if err := d.joinIssuer(ctx, &d.gc); err != nil {
		return err
	}
	if d.guard, err = guard.New(d.gc); err != nil {
		return &exitError{exitUsage, located(d.cfg, err)}
	}
	d.closers = append(d.closers, func() { _ = d.guard.Close() })
	if d.certs, err = serve.NewCertificates(ctx, d.cfg.TLS, d.logger); err != nil {
		return err
	}
	d.closers = append(d.closers, d.certs.Close)
	return d.listen(ctx)
}

// listen opens every listener, or none.
func (d *daemon) listen(ctx context.Context) error {
	listeners := []serve.Listener{
		{Name: "https", Addr: d.cfg.Listen, TLS: d.certs.Config(), Handler: d.tracing(d.guard.Handler()), Refuse: d.guard.Malformed},
	}
	if d.cfg.Plaintext != "" {
		listeners = append(listeners, serve.Listener{Name: "plaintext", Addr: d.cfg.Plaintext, Handler: d.certs.ACMEHandler(d.guard.Plaintext()), Refuse: d.guard.Malformed})
	}
	if d.cfg.Admin != "" {
		listeners = append(listeners, serve.Listener{Name: "admin", Addr: d.cfg.Admin, Handler: d.adminHandler(), Last: true})
	}
	listeners = append(listeners, d.authorizers()...)
	socket, err := d.controlSocket(ctx)
	if err != nil {
		return err
	}
	if socket != "" {
		listeners = append(listeners, serve.Listener{Name: "control", Addr: "unix://" + socket, Handler: d.control()})
	}
	d.server, err = serve.New(serve.Config{Listeners: listeners, Logger: d.logger})
	if err != nil {
		return err
	}
	if err := d.server.Start(ctx); err != nil {
		return err
	}
	return d.settlePort()
}

// settlePort sends plain requests to the port that the TLS listener got, where
// the configuration left the choice to the system.
func (d *daemon) settlePort() error {
	if d.gc.RedirectPort != 0 || d.cfg.Plaintext == "" {
		return nil
	}
	gc := d.gc
	gc.RedirectPort = d.securePort()
	d.replace(d.cfg, gc)
	return d.guard.Reload(gc)
}

// securePort is the port of the TLS listener; zero if it has none.
func (d *daemon) securePort() int {
	if addr, ok := d.server.Addr("https").(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}

// origin is an https origin at which this guard answers: localhost if it may,
// else the first of its hosts.
func (d *daemon) origin() string {
	name := "localhost"
	if hosts := d.cfg.Guard.Hosts; len(hosts) > 0 && !slices.Contains(hosts, name) {
		name = hosts[0]
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
	}
	port := d.securePort()
	if port == 443 {
		return (&url.URL{Scheme: "https", Host: name}).String()
	}
	return (&url.URL{Scheme: "https", Host: net.JoinHostPort(name, strconv.Itoa(port))}).String()
}

// run serves until ctx ends, then shuts down in order.
func (d *daemon) run(ctx context.Context) error {
	if err := d.certs.Manage(d.server.Addr("https"), d.server.Addr("plaintext")); err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	defer beside(ctx, func(ctx context.Context) {
		serve.Watch(ctx, func() []string { return d.current().Watched() }, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	})()
	d.announce()
	defer beside(ctx, d.thin)()
	for {
		select {
		case <-ctx.Done():
			d.draining.Store(true)
			d.asked.Drain()
			if err := d.server.Shutdown(grace); err != nil {
				d.logger.Warn("requests were cut at the end of the grace period", "error", err)
			}
			return nil
		case err := <-d.server.Failed():
			return err
		case <-d.hup:
			d.reload()
		case <-changed:
			d.reload()
		}
	}
}

func (d *daemon) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

// announce says at start what an operator must not overlook, and ends with the
// line that supervisors wait for.
func (d *daemon) announce() {
	if r := d.guard.Ready(); !r.Ready {
		d.logger.Warn("not ready yet", "reasons", strings.Join(r.Reasons, "; "))
	}
	if d.cfg.TLS.Dev != nil {
		fmt.Fprintln(d.stderr, serve.TrustHint(d.cfg.TLS.Dev.Dir, d.origin()))
	}
	d.announceIssuer()
	d.logger.Info("listening", d.addresses()...)
	accepted := ""
	if risks := d.guard.AcceptedRisks(); len(risks) > 0 {
		accepted = " (accepted risks: " + strings.Join(risks, ", ") + ")"
	}
	fmt.Fprintf(d.stderr, "wiretight: ready https://%s%s\n", d.server.Addr("https"), accepted)
	_ = d.stderr.Flush() // whoever waits for this line waits for it now
}

// addresses lists where every listener accepts, with the ports that the system
// chose.
func (d *daemon) addresses() (attrs []any) {
	for _, name := range listenerNames {
		if addr := d.server.Addr(name); addr != nil {
			attrs = append(attrs, slog.String(name, addr.String()))
		}
	}
	return attrs
}

// located gives the guard's complaints their place in the file.
func located(cfg *config.Config, err error) error {
	var problems guard.Problems
	if !errors.As(err, &problems) {
		return err
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = fmt.Sprintf("%v: %s; %s", cfg.Locate(p.Path), p.What, p.Instead)
	}
	return errors.New(strings.Join(lines, "\n"))
}
