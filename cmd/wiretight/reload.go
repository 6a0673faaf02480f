package main

import (
	"github.com/wiretight/wiretight/internal/config"
)

// current is the configuration in force.
func (d *daemon) current() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg
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
	if fixed := unchangeable(old, cfg); fixed != "" {
		d.logger.Warn("this change needs a restart; the rest is taken over", "key", fixed)
	}
	gc := cfg.Guard
	gc.Logger = d.logger
	if gc.RedirectPort == 0 {
		gc.RedirectPort = d.gc.RedirectPort
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
	d.mu.Lock()
	d.cfg, d.gc = cfg, gc
	d.mu.Unlock()
	d.logger.Info("configuration reloaded")
}

// unchangeable names the first key whose change only a restart can bring about.
func unchangeable(old, cfg *config.Config) string {
	for _, k := range []struct{ name, old, new string }{
		{"listen", old.Listen, cfg.Listen},
		{"plaintext", old.Plaintext, cfg.Plaintext},
		{"admin", old.Admin, cfg.Admin},
		{"store", old.Store, cfg.Store},
		{"log.format", old.Log.Format, cfg.Log.Format},
	} {
		if k.old != k.new {
			return k.name
		}
	}
	return ""
}
