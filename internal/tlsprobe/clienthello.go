package tlsprobe

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// Extension numbers (IANA TLS ExtensionType Values).
const (
	extServerName           = 0
	extSupportedGroups      = 10
	extPointFormats         = 11
	extSignatureAlgorithms  = 13
	extALPN                 = 16
	extPadding              = 21
	extMasterSecret         = 23
	extPreSharedKey         = 41
	extEarlyData            = 42
	extSupportedVersions    = 43
	extCookie               = 44
	extPSKModes             = 45
	extCertificateSignature = 50
	extKeyShare             = 51
	extRenegotiationInfo    = 0xFF01
)

// Handshake message types (RFC 8446 §4, RFC 5246 §7.4).
const (
	typeClientHello         = 1
	typeServerHello         = 2
	typeNewSessionTicket    = 4
	typeEndOfEarlyData      = 5
	typeEncryptedExtensions = 8
	typeCertificate         = 11
	typeServerKeyExchange   = 12
	typeCertificateRequest  = 13
	typeServerHelloDone     = 14
	typeCertificateVerify   = 15
	typeFinished            = 20
	typeMessageHash         = 254
)

// Record types (RFC 8446 §5.1).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23
)

// KeyShare is one public value of a ClientHello (RFC 8446 §4.2.8).
type KeyShare struct {
	Group uint16
	Data  []byte
}

// ClientHello is what a client offers. The zero value of a field leaves it out;
// SSL 3 carries no extensions whatever the fields say.
type ClientHello struct {
	// Version is the highest version offered. TLS13 is offered alone, by
	// supported_versions; lower ones without that extension.
	Version    Version
	Random     [32]byte
	SessionID  []byte
	Suites     []Suite
	ServerName string // an address is not sent (RFC 6066 §3)
	Groups     []uint16
	// SignatureAlgorithms are those of the server's own key, sent from TLS 1.2
	// on. Certificates may be signed by any algorithm whatever they say.
	SignatureAlgorithms []uint16
	ALPN                []string
	KeyShares           []KeyShare
	Cookie              []byte
	EarlyData           bool
	// Ticket resumes a session. It adds pre_shared_key as the last extension,
	// with a zero binder of BinderSize bytes for the caller to overwrite.
	Ticket     []byte
	TicketAge  uint32 // obfuscated, in milliseconds
	BinderSize int

	padding int
}

var (
	// Every curve that a server might want; finite-field groups are left out so
	// that a server shows its own group.
	legacyGroups = []uint16{29, 23, 24, 25, 30, 21, 19, 22, 26, 27, 28, 20, 18, 17, 16, 9, 10, 11, 12, 13, 14}
	allSignature = []uint16{
		0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B,
		0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201, 0x0101, 0x0402, 0x0502, 0x0602, 0x0302, 0x0202,
	}
)

// newHello is an offer of suites at v to name, with fresh randoms.
func newHello(v Version, name string, list []Suite) ClientHello {
	h := ClientHello{Version: v, ServerName: name, Suites: list, SignatureAlgorithms: allSignature}
	rand.Read(h.Random[:])
	if v < TLS13 {
		h.Groups = legacyGroups
		h.Suites = append(list[:len(list):len(list)], scsvRenegotiation)
	}
	return h
}

// Marshal returns the handshake message without a record header. It fails when
// a field does not fit its length on the wire.
func (h ClientHello) Marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(typeClientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(uint16(min(h.Version, TLS12)))
		b.AddBytes(h.Random[:])
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.SessionID) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range h.Suites {
				b.AddUint16(uint16(s))
			}
		})
		b.AddBytes([]byte{1, 0}) // no compression
		if h.Version > SSL3 {
			b.AddUint16LengthPrefixed(h.extensions)
		}
	})
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write client hello: %w", err)
	}
	// Some servers hang on a hello of 256 to 511 bytes (RFC 7685 §4).
	if n := len(out); h.Version > SSL3 && h.Version < TLS13 && n > 255 && n < 512 && h.padding == 0 {
		h.padding = max(1, 512-n-4)
		return h.Marshal()
	}
	if len(out) > maxRecord {
		return nil, errors.New("write client hello: longer than one record")
	}
	return out, nil
}

func (h ClientHello) extensions(b *cryptobyte.Builder) {
	if name := sniName(h.ServerName); name != "" {
		extension(b, extServerName, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0)
				vector16(b, []byte(name))
			})
		})
	}
	if len(h.Groups) > 0 {
		extension(b, extSupportedGroups, func(b *cryptobyte.Builder) { list16(b, h.Groups) })
	}
	if h.Version < TLS13 {
		extension(b, extPointFormats, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0}) })
		extension(b, extMasterSecret, func(*cryptobyte.Builder) {})
	}
	if h.Version >= TLS12 && len(h.SignatureAlgorithms) > 0 {
		extension(b, extSignatureAlgorithms, func(b *cryptobyte.Builder) { list16(b, h.SignatureAlgorithms) })
		extension(b, extCertificateSignature, func(b *cryptobyte.Builder) { list16(b, allSignature) })
	}
	if len(h.ALPN) > 0 {
		extension(b, extALPN, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				for _, p := range h.ALPN {
					b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(p)) })
				}
			})
		})
	}
	if h.Version >= TLS13 {
		h.extensions13(b)
	}
	if h.padding > 0 {
		extension(b, extPadding, func(b *cryptobyte.Builder) { b.AddBytes(make([]byte, h.padding)) })
	}
}

func (h ClientHello) extensions13(b *cryptobyte.Builder) {
	extension(b, extSupportedVersions, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(uint16(TLS13)) })
	})
	extension(b, extPSKModes, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 1}) }) // psk_dhe_ke
	extension(b, extKeyShare, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range h.KeyShares {
				b.AddUint16(s.Group)
				vector16(b, s.Data)
			}
		})
	})
	if len(h.Cookie) > 0 {
		extension(b, extCookie, func(b *cryptobyte.Builder) { vector16(b, h.Cookie) })
	}
	if h.EarlyData {
		extension(b, extEarlyData, func(*cryptobyte.Builder) {})
	}
	if len(h.Ticket) > 0 {
		extension(b, extPreSharedKey, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				vector16(b, h.Ticket)
				b.AddUint32(h.TicketAge)
			})
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(make([]byte, h.BinderSize)) })
			})
		})
	}
}

func extension(b *cryptobyte.Builder, id uint16, body func(*cryptobyte.Builder)) {
	b.AddUint16(id)
	b.AddUint16LengthPrefixed(body)
}

func vector16(b *cryptobyte.Builder, p []byte) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(p) })
}

func list16(b *cryptobyte.Builder, list []uint16) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, v := range list {
			b.AddUint16(v)
		}
	})
}

// sniName is the name to send in server_name, or nothing for an address.
func sniName(host string) string {
	host = strings.TrimSuffix(host, ".")
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return ""
	}
	return host
}
