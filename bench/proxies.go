package main

import (
	"errors"
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
	// program and pkg are what it is called, and the Debian packages that it
	// comes in; empty for what is built.
	program, pkg string
	// guard says that it is a build of Wiretight.
	guard bool
	// checks says that it refuses bad tokens, so that forgeries must get 401.
	checks bool
	// logs says that it can write an access log.
	logs bool
	// without lists algorithms that it does not know, and why tells so.
	without []string
	why     string
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
	limited   bool   // the limit of failures by address as shipped; else out of reach
	store     string // URL; empty: bbolt in dir
	authorize string // host:port of the authorizer; empty: none
	envoy     bool   // the authorizer is asked over gRPC
}

// known lists every proxy but the guards, in the order of the table.
func known() []proxy {
	return []proxy{
		{name: baseline, program: "haproxy", pkg: "haproxy", logs: true, configure: haproxyPlain},
		{name: "nginx", program: "nginx", pkg: "nginx", logs: true, configure: nginxPlain},
		{
			name: "haproxy-jwt", program: "haproxy", pkg: "haproxy", checks: true, logs: true, configure: haproxyJWT,
			without: []string{"EdDSA"}, why: "jwt_verify does not know it",
		},
		{name: "bare", line: "bare: ready", configure: bareArgs},
		{
			name: "apache", program: "apache2", pkg: "apache2 libapache2-mod-auth-openidc", checks: true, logs: true,
			without: []string{"ES256", "EdDSA"}, why: "its local keys are RSA or shared secrets",
			configure: apacheOIDC,
		},
	}
}

// cannot says why p has no cell in r; empty: it has one.
func (p proxy) cannot(r row) string {
	switch {
	case (r.kind == stores || r.how == overAuthorizer || r.how == overEnvoy) && !p.guard:
		return "is about the guard alone"
	case !p.checks && (r.kind == beside || r.kind == everMore):
		return "checks nothing"
	case !p.checks && p.name != baseline && (r.kind == many || r.kind == eachNew || r.kind == bad || r.kind == hot && r.alg != "RS256"):
		return "checks nothing: as with one RS256 token"
	case slices.Contains(p.without, p.algFor(r)):
		return p.why
	case r.kind == logPrice && !p.logs:
		return "writes no access log"
	default:
		return ""
	}
}

// algFor is the row's algorithm. What is remembered of a token hardly depends
// on it, so a proxy that lacks the row's gets HS256 there.
func (p proxy) algFor(r row) string {
	if r.kind == everMore && slices.Contains(p.without, r.alg) {
		return "HS256"
	}
	return r.alg
}

// proxies returns those that opts ask for, built where they must be, and the
// names of those that are not installed, with what to do about it. One that is
// asked for by name, and the baseline, must be there.
func proxies(opts Options, dir string) (out []proxy, missing []string, err error) {
	guards, err := guardBinaries(opts.Guards)
	if err != nil {
		return nil, nil, err
	}
	all := append(known(), guards...)
	for _, name := range opts.Only {
		if !slices.ContainsFunc(all, func(p proxy) bool { return p.name == name }) {
			return nil, nil, fmt.Errorf("no proxy %q; the proxies are %s", name, names(all))
		}
	}
	for _, p := range all {
		if opts.Only != nil && !slices.Contains(opts.Only, p.name) {
			continue
		}
		var absent *absentError
		err := p.provide(opts.Source, dir)
		switch {
		case err == nil:
			out = append(out, p)
		case errors.As(err, &absent) && opts.Only == nil && p.name != baseline:
			missing = append(missing, fmt.Sprintf("%s: %v", p.name, err))
		default:
			return nil, nil, err
		}
	}
	return out, missing, nil
}

// provide finds or builds the program of p.
func (p *proxy) provide(source, dir string) (err error) {
	switch {
	case p.bin != "":
	case p.program != "":
		if p.bin, err = find(p.program, p.pkg); err == nil && p.name == "apache" {
			err = present(filepath.Join(apacheModules, "mod_auth_openidc.so"), p.pkg)
		}
	case p.guard:
		p.bin, err = build(source, "./cmd/wiretight", filepath.Join(dir, "wiretight"))
	default:
		p.bin, err = build(source, "./bench/"+p.name, filepath.Join(dir, p.name))
	}
	return err
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
		return []proxy{guardProxy("wiretight", "")}, nil
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
		out = append(out, guardProxy(label, path))
	}
	return out, nil
}

// guardProxy is the guard with that program; an empty one is to be built.
func guardProxy(name, bin string) proxy {
	return proxy{
		name: name, bin: bin, guard: true, checks: true, logs: true,
		line: "wiretight: ready", configure: guardConfig,
	}
}

// build compiles pkg, with tags if any, without C unless the environment says
// so. Paths stay in: what other builds have compiled can be used again.
func build(source, pkg, out string, tags ...string) (string, error) {
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-tags="+strings.Join(tags, ","), "-o", out, pkg)
	cmd.Dir, cmd.Env = source, append([]string{"CGO_ENABLED=0"}, os.Environ()...) // the last one counts
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, said)
	}
	return out, nil
}

// absentError is a program that is not installed.
type absentError struct{ what, pkg string }

func (e *absentError) Error() string {
	return fmt.Sprintf("%s is missing; install it: apt-get install %s", e.what, e.pkg)
}

// find looks in the folders of system programs too, which a user's PATH may lack.
func find(program, pkg string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	path := "/usr/sbin/" + program
	return path, present(path, pkg)
}

func present(path, pkg string) error {
	if _, err := os.Stat(path); err != nil {
		return &absentError{filepath.Base(path), pkg}
	}
	return nil
}

func bareArgs(s setup) ([]string, error) {
	return []string{"-listen", s.listen, "-upstream", "http://" + s.upstream, "-cert", s.cert.cert, "-key", s.cert.key}, nil
}
