package main

import (
	"context"
	"errors"

	"github.com/wiretight/wiretight/guard"
)

// joinIssuer starts the embedded issuer, if it is enabled, and makes the guard
// serve its endpoints and trust its keys.
func (d *daemon) joinIssuer(_ context.Context, _ *guard.Config) error {
	if d.cfg.Issuer.Enabled {
		return errors.New("issuer.enabled: the embedded issuer is not part of this build; name an issuer in tokens.issuers")
	}
	return nil
}

// keepIssuer gives a reloaded configuration the issuer that runs.
func (d *daemon) keepIssuer(_ *guard.Config) {}
