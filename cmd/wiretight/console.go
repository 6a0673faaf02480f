package main

import (
	"net/http"
	"net/url"
	"time"

	"github.com/wiretight/wiretight/internal/admin"
)

// listenerNames are the listeners that an operator is told of.
var listenerNames = []string{"https", "plaintext", "admin", authorizerHTTP, authorizerGRPC}

// adminHandler is what answers on the admin listener.
func (d *daemon) adminHandler() http.Handler {
	started := time.Now()
	return admin.Handler(admin.Config{
		Guard: d.guard, Registry: d.registry, NotAfter: d.certs.NotAfter, Draining: d.draining.Load, Now: time.Now,
		Process: func() admin.Process { return d.process(started) },
	})
}

// process is what the console shows of this program.
func (d *daemon) process(started time.Time) admin.Process {
	cfg := d.current()
	p := admin.Process{Started: started, Store: withoutSecrets(cfg.Store), Hosts: cfg.AdminHosts}
	p.Version, p.Commit = buildVersion()
	for _, name := range listenerNames {
		if addr := d.server.Addr(name); addr != nil {
			p.Listeners = append(p.Listeners, admin.Listener{Name: name, Addr: addr.String()})
		}
	}
	return p
}

// withoutSecrets is the store's URL less user, password and options.
func withoutSecrets(store string) string {
	u, err := url.Parse(store)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
