package tlsprobe

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// SSL 2 has records, suites of three bytes and a hello of its own. The peer is
// asked for every suite there ever was.

// Suite2 is a cipher kind of SSL 2, in its three bytes.
type Suite2 uint32

var suites2 = []struct {
	id   Suite2
	name string
}{
	{0x010080, "SSL_CK_RC4_128_WITH_MD5"},
	{0x020080, "SSL_CK_RC4_128_EXPORT40_WITH_MD5"},
	{0x030080, "SSL_CK_RC2_128_CBC_WITH_MD5"},
	{0x040080, "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5"},
	{0x050080, "SSL_CK_IDEA_128_CBC_WITH_MD5"},
	{0x060040, "SSL_CK_DES_64_CBC_WITH_MD5"},
	{0x0700C0, "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"},
	{0x080080, "SSL_CK_RC4_64_WITH_MD5"},
	{0x000000, "SSL_CK_NULL_WITH_MD5"},
}

// String returns the kind's name, or its bytes in hexadecimal.
func (s Suite2) String() string {
	for _, k := range suites2 {
		if k.id == s {
			return k.name
		}
	}
	return fmt.Sprintf("0x%06X", uint32(s))
}

// classes returns the classes that the kind is in, like Suite.Classes.
func (s Suite2) classes() []Class {
	kx, cipher, _ := strings.Cut(strings.TrimPrefix(s.String(), "SSL_CK_"), "_WITH_")
	in := []Class{ClassNoFS}
	if cipher == "MD5" {
		in = append(in, ClassMD5)
	}
	for part, c := range map[string]Class{
		"NULL": ClassNULL, "EXPORT": ClassExport, "DES_64": ClassDES, "DES_192": Class3DES, "RC4": ClassRC4,
	} {
		if strings.Contains(kx, part) {
			in = append(in, c)
		}
	}
	return in
}

// ServerHello2 is the SERVER-HELLO of SSL 2.
type ServerHello2 struct {
	Certificate []byte
	Suites      []Suite2
}

// ParseServerHello2 reads an SSL 2 SERVER-HELLO, without the record header. A
// hello of another version is an error.
func ParseServerHello2(msg []byte) (ServerHello2, error) {
	var h ServerHello2
	s := cryptobyte.String(msg)
	var typ, hit, certType uint8
	var version, certLen, suitesLen, idLen uint16
	if !s.ReadUint8(&typ) || typ != 4 || !s.ReadUint8(&hit) || !s.ReadUint8(&certType) ||
		!s.ReadUint16(&version) || !s.ReadUint16(&certLen) || !s.ReadUint16(&suitesLen) || !s.ReadUint16(&idLen) {
		return h, malformed("the answer is no SSL 2 server hello")
	}
	if Version(version) != SSL2 {
		return h, malformed("the SSL 2 server hello names version 0x%04X", version)
	}
	var list, id []byte
	if suitesLen%3 != 0 || !s.ReadBytes(&h.Certificate, int(certLen)) || !s.ReadBytes(&list, int(suitesLen)) ||
		!s.ReadBytes(&id, int(idLen)) || !s.Empty() {
		return h, malformed("malformed SSL 2 server hello")
	}
	for ; len(list) > 0; list = list[3:] {
		h.Suites = append(h.Suites, Suite2(uint32(list[0])<<16|uint32(list[1])<<8|uint32(list[2])))
	}
	return h, nil
}

// flight2 is the talk of SSL 2: one hello each.
type flight2 struct {
	buf    []byte
	server *ServerHello2
}

func (f *flight2) start() ([]byte, error) {
	var challenge [16]byte
	rand.Read(challenge[:])
	msg := []byte{1, 0, 2, 0, byte(3 * len(suites2)), 0, 0, 0, byte(len(challenge))}
	for _, s := range suites2 {
		msg = append(msg, byte(s.id>>16), byte(s.id>>8), byte(s.id))
	}
	msg = append(msg, challenge[:]...)
	return append([]byte{0x80, byte(len(msg))}, msg...), nil
}

func (f *flight2) feed(p []byte) (send []byte, done bool, err error) {
	if f.buf = append(f.buf, p...); len(f.buf) < 3 {
		return nil, false, nil
	}
	if f.buf[0] == recordAlert && f.buf[1] == 3 {
		if len(f.buf) < recordHeader+2 {
			return nil, false, nil
		}
		return nil, false, alertError{f.buf[5], f.buf[6]}
	}
	size, skip := int(binary.BigEndian.Uint16(f.buf)&0x7FFF), 2
	if f.buf[0]&0x80 == 0 { // a header of three bytes, with padding
		size, skip = int(binary.BigEndian.Uint16(f.buf)&0x3FFF), 3
	}
	if len(f.buf) <= skip {
		return nil, false, nil
	}
	if f.buf[skip] != 4 {
		if f.buf[skip] == 0 && size == 3 { // SSL 2 ERROR message
			return nil, false, alertError{alertFatal, alertHandshakeFailure}
		}
		return nil, false, malformed("the answer is no SSL 2 server hello")
	}
	if len(f.buf) < skip+size {
		return nil, false, nil
	}
	h, err := ParseServerHello2(f.buf[skip : skip+size])
	if err != nil {
		return nil, false, err
	}
	f.server = &h
	return nil, true, nil
}
