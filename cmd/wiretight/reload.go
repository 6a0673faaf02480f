package main

import (
	"reflect"
	"strings"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
)

// current is the configuration in force.
func (d *daemon) current() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg
}

// inForce is the configuration in force, and what the guard was given of it.
func (d *daemon) inForce() (*config.Config, guard.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg, d.gc
}

func (d *daemon) replace(cfg *config.Config, gc guard.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg, d.gc = cfg, gc
}

// reload reads configuration and files anew. Whatever is wrong with them is
// logged, and the old ones stay.
func (d *daemon) reload() {
	cfg, err := config.Load(d.file, d.flags)
	if err != nil {
		d.logger.Error("the new configuration is refused, the old one stays", "error", err)
		return
	}
	old := d.current()
	if fixed := unchangeable(old, cfg); len(fixed) > 0 {
		d.logger.Warn("a part of the change needs a restart; the rest is taken over", "keys", strings.Join(fixed, ", "))
	}
	gc := cfg.Guard
	gc.Logger = d.logger
	if gc.RedirectPort == 0 {
		gc.RedirectPort = d.securePort()
	}
	d.keepIssuer(&gc)
	if err := d.certs.Reload(cfg.TLS); err != nil {
		d.logger.Error("the new certificates are refused, the old configuration stays", "error", err)
		return
	}
	if err := d.guard.Reload(gc); err != nil {
		d.logger.Error("the new configuration is refused, the old one stays", "error", located(cfg, err))
		if err := d.certs.Reload(old.TLS); err != nil {
			d.logger.Error("the old certificates cannot be put back", "error", err)
		}
		return
	}
	for _, w := range cfg.Warnings {
		d.logger.Warn(w)
	}
	d.replace(cfg, gc)
	d.logger.Info("configuration reloaded")
}

// unchangeable names the keys whose change only a restart can bring about.
func unchangeable(old, cfg *config.Config) (keys []string) {
	for _, k := range []struct {
		name     string
		old, new any
	}{
		{"listen", old.Listen, cfg.Listen},
		{"plaintext", old.Plaintext, cfg.Plaintext},
		{"admin", old.Admin, cfg.Admin},
		{"authorizer.http", old.Authorizer.HTTP, cfg.Authorizer.HTTP},
		{"authorizer.grpc", old.Authorizer.GRPC, cfg.Authorizer.GRPC},
		{"tokens.cache", old.Guard.Tokens.Cache, cfg.Guard.Tokens.Cache},
		{"rate_limit.auth_failures", old.Guard.RateLimit.AuthFailures, cfg.Guard.RateLimit.AuthFailures},
		{"store", old.Store, cfg.Store},
		{"log", old.Log, cfg.Log},
	} {
		if k.old != k.new {
			keys = append(keys, k.name)
		}
	}
	if !reflect.DeepEqual(old.Issuer, cfg.Issuer) {
		keys = append(keys, "issuer")
	}
	return keys
}
