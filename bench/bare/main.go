// Command bare is the yardstick for what the guard's rules add: a TLS reverse
// proxy of net/http and httputil.ReverseProxy with its pools set right, and
// without any check. It trusts its clients and must never leave a benchmark.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve TLS on")
	upstream := flag.String("upstream", "", "URL of the upstream")
	cert := flag.String("cert", "", "certificate file")
	key := flag.String("key", "", "key file")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file until SIGTERM")
	flag.Parse()
	if err := serve(*listen, *upstream, *cert, *key, *profile); err != nil {
		log.Fatal("bare: ", err)
	}
}

func serve(listen, upstream, cert, key, profile string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("read upstream %q: %w", upstream, err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("read certificate %q: %w", cert, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return fmt.Errorf("create profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("start profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           proxy(target),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	fmt.Fprintf(os.Stderr, "bare: ready https://%s\n", l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(l, "", "") }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

func proxy(target *url.URL) http.Handler {
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		DisableCompression:    true, // else every answer passes a header check and may be inflated
		MaxIdleConns:          0,    // no bound over all
		MaxIdleConnsPerHost:   1024, // the default of 2 makes a new connection for nearly every request
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: 0, // a timer a request
	}
	return &httputil.ReverseProxy{
		Transport:  transport,
		BufferPool: &buffers{},
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
}

// buffers lends the 32 KiB copy buffers, which would be garbage otherwise.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[32 << 10]byte); ok {
		return p[:]
	}
	return new([32 << 10]byte)[:]
}

func (b *buffers) Put(p []byte) { b.pool.Put((*[32 << 10]byte)(p)) }
