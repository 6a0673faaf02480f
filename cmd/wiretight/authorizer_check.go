package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/extauthz"
)

func authorizerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "authorizer check",
		Short:   "Tries out a proxy that asks the authorizer",
		Long:    `Tries out a proxy that asks the authorizer of the guard that runs here.`,
		Example: "  wiretight authorizer check --through https://api.example.com/items",
	}
	cmd.AddCommand(authorizerCheckCommand())
	return cmd
}

// checkOptions is what the command line says.
type checkOptions struct {
	through, file, store, ca, tokenFile, resolve string
}

func authorizerCheckCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check --through URL",
		Short: "Says which header a proxy forgets or fakes",
		Long: `Sends requests through a proxy that asks the authorizer of the guard that runs
here, and compares what the proxy said of each with what was sent.

It sends GET, HEAD, POST and PUT to the URL and to paths below it, none with a
token but one GET.

Each line begins with ok, forgets, fakes or unknown. With --token-file, whose
token must be good for the URL, it also tries what reaches the application; that
can be seen if the application repeats request headers in its answer.

Exit code 0: nothing wrong; 1: something is; 2: wrong command line; 3: the proxy
or the guard cannot be reached.`,
		Example: `  wiretight authorizer check --through https://api.example.com/items
  wiretight authorizer check --through https://api.example.com/items \
      --resolve api.example.com:443:127.0.0.1 --ca ca.pem --token-file token.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, cfg, err := o.read()
			if err != nil {
				return &exitError{exitUsage, fmt.Errorf("wiretight: %w", err)}
			}
			return checkProxy(cmd.Context(), t, cfg, cmd.OutOrStdout())
		},
	}
	s := cmd.Flags()
	s.StringVar(&o.through, "through", "", "`URL` that the proxy answers")
	s.StringVar(&o.ca, "ca", "", "CA that verifies the proxy, `FILE` in PEM")
	s.StringVar(&o.tokenFile, "token-file", "", "`FILE` with a token that is good for the URL")
	s.StringVar(&o.resolve, "resolve", "", "`HOST:PORT:ADDR` to connect elsewhere")
	stateFlags(cmd, &o.file, &o.store)
	return cmd
}

// read makes a trial of the options.
func (o *checkOptions) read() (*trial, *config.Config, error) {
	u, err := url.Parse(o.through)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return nil, nil, errors.New("--through wants a URL with scheme, host and path, as https://api.example.com/items")
	}
	t := &trial{url: u, path: strings.TrimSuffix(u.EscapedPath(), "/")}
	var dialTo string
	if o.resolve != "" {
		parts := strings.SplitN(o.resolve, ":", 3)
		if len(parts) != 3 || parts[2] == "" {
			return nil, nil, fmt.Errorf("--resolve %q is no HOST:PORT:ADDR", o.resolve)
		}
		if dialTo = parts[2]; !strings.Contains(dialTo, "]:") && strings.Count(dialTo, ":") != 1 {
			dialTo = net.JoinHostPort(strings.Trim(dialTo, "[]"), parts[1])
		}
	}
	var roots *x509.CertPool
	if o.ca != "" {
		text, err := readLimited(o.ca, maxCertificate)
		if err != nil {
			return nil, nil, fmt.Errorf("--ca: %w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(text) {
			return nil, nil, fmt.Errorf("--ca %s holds no certificate in PEM", o.ca)
		}
	}
	if o.tokenFile != "" && u.Scheme != "https" {
		return nil, nil, errors.New("--token-file goes with https only: a token that is sent in clear gets burnt")
	}
	if o.tokenFile != "" {
		text, err := readLimited(o.tokenFile, 64<<10)
		if err != nil {
			return nil, nil, fmt.Errorf("--token-file: %w", err)
		}
		t.token = strings.TrimSpace(string(text))
	}
	t.connect(roots, dialTo)
	cfg, err := stateOf(o.file, o.store)
	return t, cfg, err
}

// beginCheck and endCheck are the two questions to the guard that runs.
type (
	beginCheck struct{}
	endCheck   struct {
		ID string `json:"id"`
	}
	begunCheck struct {
		ID string `json:"id"`
	}
)

var (
	authorizerBegin = request[beginCheck, begunCheck]{
		path: "/authorizer/begin",
		running: func(_ context.Context, d *daemon, _ beginCheck) (begunCheck, error) {
			if d.cfg.Authorizer.HTTP == "" && d.cfg.Authorizer.GRPC == "" {
				return begunCheck{}, errors.New("the guard that runs here has no authorizer; write authorizer: in its configuration")
			}
			id, err := d.asked.BeginProbe()
			return begunCheck{id}, err
		},
	}
	authorizerEnd = request[endCheck, []extauthz.Seen]{
		path: "/authorizer/end",
		running: func(_ context.Context, d *daemon, in endCheck) ([]extauthz.Seen, error) {
			return d.asked.EndProbe(in.ID), nil
		},
	}
)

// authorizerRoutes adds to the control socket what a check needs.
func (d *daemon) authorizerRoutes(mux *http.ServeMux) {
	authorizerBegin.serve(d, mux)
	authorizerEnd.serve(d, mux)
}

// checkProxy runs the trial between two questions to the guard.
func checkProxy(ctx context.Context, t *trial, cfg *config.Config, out io.Writer) error {
	var begun begunCheck
	if err := askStore(ctx, socketPath(cfg), "", authorizerBegin.path, beginCheck{}, &begun); err != nil {
		return &exitError{exitFailed, fmt.Errorf("wiretight: ask the guard: %w", err)}
	}
	t.id = begun.ID
	sendErr := t.run(ctx)
	var seen []extauthz.Seen
	if err := askStore(context.WithoutCancel(ctx), socketPath(cfg), "", authorizerEnd.path, endCheck{t.id}, &seen); err != nil {
		return &exitError{exitFailed, fmt.Errorf("wiretight: ask the guard: %w", err)}
	}
	if sendErr != nil {
		return &exitError{exitFailed, fmt.Errorf("wiretight: reach the proxy: %w", sendErr)}
	}
	lines := t.judge(seen)
	wrong, err := printFindings(out, lines)
	switch {
	case err != nil:
		return err
	case wrong > 0:
		return &exitError{code: exitFindings}
	}
	return nil
}

// printFindings writes the table, with the remedy below what is wrong.
func printFindings(out io.Writer, all []finding) (wrong int, err error) {
	for _, f := range all {
		if _, err := fmt.Fprintf(out, "%-8s %-29s %s\n", f.state, f.about, f.remark); err != nil {
			return 0, err
		}
		if f.state != forgets && f.state != fakes {
			continue
		}
		wrong++
		for _, m := range f.mend {
			if _, err := fmt.Fprintf(out, "         %-8s %s\n", m[0]+":", m[1]); err != nil {
				return 0, err
			}
		}
	}
	return wrong, nil
}
