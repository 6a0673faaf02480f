package main

import (
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/extauthz"
	"github.com/wiretight/wiretight/internal/serve"
)

// The listeners at which other proxies ask for decisions.
const (
	authorizerHTTP = "authorizer-http"
	authorizerGRPC = "authorizer-grpc"
)

// riskPlainText is the accepted risk that lets tokens go over the network in
// clear.
const riskPlainText = "transport.token-over-http"

// authorizers are the listeners that the configuration asks for. What proxies
// send there holds tokens, so off loopback they speak TLS with the guard's own
// certificates.
func (d *daemon) authorizers() (all []serve.Listener) {
	a := d.cfg.Authorizer
	d.asked = extauthz.New(d.guard)
	if a.HTTP != "" {
		all = append(all, serve.Listener{
			Name: authorizerHTTP, Addr: a.HTTP, TLS: d.askersTLS(authorizerHTTP, a.HTTP), Handler: d.asked.HTTP(),
			Refuse: d.guard.Malformed,
		})
	}
	if a.GRPC != "" {
		all = append(all, serve.Listener{
			Name: authorizerGRPC, Addr: a.GRPC, TLS: d.askersTLS(authorizerGRPC, a.GRPC), HTTP2: true, Handler: d.asked.GRPC(),
			Refuse: d.guard.Malformed,
		})
	}
	return all
}

// askersTLS is the TLS of an authorizer's listener, or nil where plain HTTP is
// safe or accepted.
func (d *daemon) askersTLS(name, addr string) *tls.Config {
	if onLoopback(addr) {
		return nil
	}
	if slices.Contains(d.cfg.Guard.AcceptRisk, riskPlainText) {
		d.logger.Warn("proxies send tokens to the authorizer in clear over the network", "listener", name, "accepted_risk", riskPlainText)
		return nil
	}
	d.logger.Info("the authorizer speaks TLS, since it does not listen on loopback", "listener", name)
	return d.certs.Config()
}

// onLoopback tells whether no other machine can reach an address.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
