package tlsprobe

import "fmt"

// Version is a protocol version as it stands on the wire.
type Version uint16

// The versions, oldest first.
const (
	SSL2  Version = 0x0002
	SSL3  Version = 0x0300
	TLS10 Version = 0x0301
	TLS11 Version = 0x0302
	TLS12 Version = 0x0303
	TLS13 Version = 0x0304
)

// AllVersions lists every version that is asked for, oldest first.
func AllVersions() []Version {
	return []Version{SSL2, SSL3, TLS10, TLS11, TLS12, TLS13}
}

// String returns the usual name, as "TLS 1.2".
func (v Version) String() string {
	switch {
	case v == SSL2:
		return "SSL 2"
	case v == SSL3:
		return "SSL 3"
	case v >= TLS10 && v <= TLS13:
		return fmt.Sprintf("TLS 1.%d", v-TLS10)
	}
	return fmt.Sprintf("version 0x%04X", uint16(v))
}
