package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const defaultListen = ":8443"

// zeroConfiguration fills in what an upstream alone implies: a development
// certificate, the embedded issuer, loopback only.
func (b *builder) zeroConfiguration(flags Flags) {
	if b.haveFile || !flags.onlyUpstream() {
		return
	}
	b.out.ZeroConfiguration = true
	b.file.TLS = &TLSFile{Dev: true}
	b.file.Issuer = &IssuerFile{Enabled: true}
	if b.file.Listen == "" {
		b.file.Listen = "127.0.0.1" + defaultListen
	}
}

func (b *builder) addresses() {
	if b.file.Listen == "" {
		b.file.Listen = defaultListen
	}
	b.out.Listen, b.out.Plaintext = string(b.file.Listen), string(b.file.Plaintext)
	if admin := string(b.file.Admin); admin != "" {
		host, port, _ := splitAddr(admin)
		if host == "" {
			host = "127.0.0.1"
		}
		b.out.Admin = net.JoinHostPort(host, strconv.Itoa(int(port)))
		if !loopback(host) {
			b.warn("admin", "health, metrics and console can be reached from other machines", "write admin: \"127.0.0.1:9090\" unless that is meant")
		}
	}
	if b.file.Authorizer != nil {
		b.out.Authorizer.HTTP, b.out.Authorizer.GRPC = string(b.file.Authorizer.HTTP), string(b.file.Authorizer.GRPC)
	}
	b.sharedAddresses()
	b.out.Guard.RedirectPort = b.file.RedirectPort
	if b.file.RedirectPort == 0 {
		_, port, _ := splitAddr(b.out.Listen)
		b.out.Guard.RedirectPort = int(port)
	}
}

// sharedAddresses refuses two listeners in one place.
func (b *builder) sharedAddresses() {
	taken := []struct{ path, addr string }{
		{"listen", b.out.Listen},
		{"plaintext", b.out.Plaintext},
		{"admin", b.out.Admin},
		{"authorizer.http", b.out.Authorizer.HTTP},
		{"authorizer.grpc", b.out.Authorizer.GRPC},
	}
	for i, t := range taken {
		for _, earlier := range taken[:i] {
			if collide(t.addr, earlier.addr) {
				b.wrong(t.path, fmt.Sprintf("%s and %s both listen on port %s", earlier.path, t.path, t.addr[strings.LastIndexByte(t.addr, ':')+1:]), "write different ports")
			}
		}
	}
}

// collide tells whether two listeners want the same port of the same address.
func collide(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	hostA, portA, _ := splitAddr(a)
	hostB, portB, _ := splitAddr(b)
	if portA == 0 || portA != portB {
		return false
	}
	if hostA == "localhost" || hostB == "localhost" {
		return hostA == hostB || loopback(hostA) || loopback(hostB) || everywhere(hostA) || everywhere(hostB)
	}
	return hostA == hostB || everywhere(hostA) || everywhere(hostB)
}

func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// loopback tells whether a host without brackets is this machine alone.
func loopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
