package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// baseline is the name of the proxy whose cost is 1.
const baseline = "haproxy"

// proxy is one program under test.
type proxy struct {
	name string
	bin  string
	// guard says that it is a build of Wiretight.
	guard bool
	// checks says that it refuses bad tokens, so that forgeries must get 401.
	checks bool
	// logs says that it can write an access log.
	logs bool
	// without lists algorithms that it does not know.
	without []string
	// line begins the line on stderr that says it is ready; empty: see
	// whether it accepts.
	line string
	// configure writes its configuration and returns its arguments.
	configure func(setup) ([]string, error)
}

// setup is what a proxy must be told for one cell.
type setup struct {
	dir       string // its own, empty at its first start
	listen    string // host:port for TLS
	upstream  string // host:port of plain HTTP
	cert      certificate
	alg       string
	verifier  verifierFiles
	accessLog bool
}

// proxies returns those that opts ask for, built where they must be.
func proxies(opts Options, dir string) ([]proxy, error) {
	known := []proxy{
		{name: baseline, logs: true, configure: haproxyPlain},
		{name: "haproxy-jwt", checks: true, logs: true, without: []string{"EdDSA"}, configure: haproxyJWT},
		{name: "bare", line: "bare: ready", configure: bareArgs},
	}
	guards, err := guardBinaries(opts.Guards)
	if err != nil {
		return nil, err
	}
	for _, g := range guards {
		known = append(known, proxy{
			name: g.name, bin: g.bin, guard: true, checks: true, logs: true,
			line: "wiretight: ready", configure: guardConfig,
		})
	}
	var out []proxy
	for _, p := range known {
		if opts.Only != nil && !slices.Contains(opts.Only, p.name) {
			continue
		}
		if p.bin == "" {
			if p.bin, err = binary(p.name, opts.Source, dir); err != nil {
				return nil, err
			}
		}
		out = append(out, p)
	}
	for _, name := range opts.Only {
		if !slices.ContainsFunc(known, func(p proxy) bool { return p.name == name }) {
			return nil, fmt.Errorf("no proxy %q; the proxies are %s", name, names(known))
		}
	}
	return out, nil
}

func names(ps []proxy) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.name)
	}
	return strings.Join(out, ", ")
}

// guardBinaries reads [LABEL=]PATH; none means one guard, built from source.
func guardBinaries(specs []string) ([]proxy, error) {
	if len(specs) == 0 {
		return []proxy{{name: "wiretight"}}, nil
	}
	var out []proxy
	for _, spec := range specs {
		label, path, ok := strings.Cut(spec, "=")
		if !ok {
			label, path = filepath.Base(spec), spec
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("find guard %q: %w", spec, err)
		}
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("find guard %q: %w", spec, err)
		}
		if slices.ContainsFunc(out, func(p proxy) bool { return p.name == label }) {
			return nil, fmt.Errorf("two guards are called %q; write -wiretight LABEL=PATH", label)
		}
		out = append(out, proxy{name: label, bin: path})
	}
	return out, nil
}

// binary finds or builds the program of a proxy.
func binary(name, source, dir string) (string, error) {
	switch name {
	case "bare":
		return build(source, "./bench/bare", filepath.Join(dir, "bare"))
	case "wiretight":
		return build(source, "./cmd/wiretight", filepath.Join(dir, "wiretight"))
	default:
		return find("haproxy")
	}
}

func build(source, pkg, out string) (string, error) {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Dir, cmd.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, said)
	}
	return out, nil
}

// find looks in the folders of system programs too, which a user's PATH may lack.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	path := "/usr/sbin/" + name
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is missing; install it: apt-get install %s", name, name)
	}
	return path, nil
}

func bareArgs(s setup) ([]string, error) {
	return []string{"-listen", s.listen, "-upstream", "http://" + s.upstream, "-cert", s.cert.cert, "-key", s.cert.key}, nil
}
