# Everything a developer needs. `make test` works on a fresh Debian machine with Go.

GO ?= go

.PHONY: build test lint vuln bench fuzz generate clean

build:
	$(GO) build -trimpath -ldflags '-s -w' -o bin/wiretight ./cmd/wiretight

# Installs what the tests need from Debian (as root; else says what to
# install), then runs all of them.
test:
	./testdata/install-peers
	$(GO) test -race -shuffle=on -timeout 20m $(TESTFLAGS) ./...

lint:
	test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

# Needs the vulnerability database of the Go project.
vuln:
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

bench:
	$(GO) run ./bench

# FUZZTIME a target; every fuzz target in turn.
FUZZTIME ?= 30s
fuzz:
	./testdata/fuzz-all $(FUZZTIME)

generate:
	$(GO) generate ./...

clean:
	rm -rf bin
