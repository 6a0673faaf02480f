# Everything a developer needs. `make test` works on a fresh Debian machine with Go.

GO ?= go

.PHONY: build test lint vuln bench bench-check soak fuzz generate clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/wiretight ./cmd/wiretight

# Packages that only compute, a lot: the race detector would make them five times
# as slow. What runs them side by side is tested with it.
UNRACED = ./scan/checks

# Installs what the tests need from Debian (as root; else says what to
# install), then runs all of them.
test:
	./testdata/install-peers
	$(GO) test -race -shuffle=on -timeout 20m $(TESTFLAGS) $$($(GO) list ./... | grep -vxF "$$($(GO) list $(UNRACED))")
	$(GO) test -shuffle=on -timeout 20m $(TESTFLAGS) $(UNRACED)
	$(GO) -C examples/kubernetes/test test -shuffle=on -timeout 20m ./...

lint:
	test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	$(GO) vet ./...
	$(GO) vet -tags traefik ./examples/proxies
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

# Needs the vulnerability database of the Go project.
vuln:
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

# Several guards under load on a store that is killed; SOAKFLAGS: see
# bench/README.md.
soak:
	$(GO) run ./bench/soak $(SOAKFLAGS)

# BENCHFLAGS: see bench/README.md.
bench:
	$(GO) run ./bench $(BENCHFLAGS)

# Fails if the guard of the tree is slower than that of the commit BASE by more
# than 10 %, beyond noise. Without BASE: the last tag, or what the newest table of
# docs/performance.md was measured from.
bench-check:
	$(GO) build -o bin/bench ./bench
	bin/bench -check -base "$(BASE)" $(BENCHFLAGS)

# FUZZTIME a target; every fuzz target in turn.
FUZZTIME ?= 30s
fuzz:
	./testdata/fuzz-all $(FUZZTIME)

generate:
	$(GO) generate ./...

clean:
	rm -rf bin
