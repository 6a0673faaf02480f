package tlsprobe

import (
	"encoding/binary"
)

// Bounds of what one connection may bring.
const (
	maxRecord    = 1<<14 + 2048 // RFC 5246 §6.2.3
	maxMessage   = 256 << 10    // one handshake message
	maxReceived  = 512 << 10    // all bytes of a connection
	maxRecords   = 4096         // also of empty ones
	recordHeader = 5
)

// record is one TLS record; its payload lies in the reader's buffer.
type record struct {
	typ     byte
	payload []byte
	header  []byte
}

// recordReader cuts a stream into records.
type recordReader struct {
	buf      []byte
	received int
	records  int
}

func (r *recordReader) write(p []byte) error {
	if r.received += len(p); r.received > maxReceived {
		return malformed("more than %d bytes without an end", maxReceived)
	}
	r.buf = append(r.buf, p...)
	return nil
}

// next returns the next whole record. ok is false when more bytes are needed.
func (r *recordReader) next() (rec record, ok bool, err error) {
	if len(r.buf) == 0 {
		return rec, false, nil
	}
	if t := r.buf[0]; t < recordChangeCipherSpec || t > recordApplicationData {
		return rec, false, notTLS(r.buf)
	}
	if len(r.buf) < recordHeader {
		return rec, false, nil
	}
	if r.buf[1] != 3 {
		return rec, false, notTLS(r.buf)
	}
	n := int(binary.BigEndian.Uint16(r.buf[3:]))
	if n > maxRecord {
		return rec, false, malformed("record of %d bytes", n)
	}
	if len(r.buf) < recordHeader+n {
		return rec, false, nil
	}
	if r.records++; r.records > maxRecords {
		return rec, false, malformed("more than %d records without an end", maxRecords)
	}
	rec = record{typ: r.buf[0], header: r.buf[:recordHeader], payload: r.buf[recordHeader : recordHeader+n]}
	r.buf = r.buf[recordHeader+n:]
	return rec, true, nil
}

func notTLS(b []byte) error {
	if len(b) >= 5 && string(b[:5]) == "HTTP/" {
		return malformed("the peer answers in plain HTTP")
	}
	return malformed("the answer is not TLS")
}

// messageReader joins the payloads of handshake records into messages.
type messageReader struct{ buf []byte }

func (m *messageReader) write(p []byte) { m.buf = append(m.buf, p...) }

// next returns the next whole message: its type, its body, and both with the
// header as they enter the transcript.
func (m *messageReader) next() (typ byte, body, raw []byte, ok bool, err error) {
	if len(m.buf) < 4 {
		return 0, nil, nil, false, nil
	}
	n := int(m.buf[1])<<16 | int(m.buf[2])<<8 | int(m.buf[3])
	if n > maxMessage {
		return 0, nil, nil, false, malformed("handshake message of %d bytes", n)
	}
	if len(m.buf) < 4+n {
		return 0, nil, nil, false, nil
	}
	raw = m.buf[: 4+n : 4+n]
	m.buf = m.buf[4+n:]
	return raw[0], raw[4:], raw, true, nil
}

// frame puts payload into records of typ.
func frame(typ byte, v Version, payload []byte) []byte {
	var out []byte
	for first := true; first || len(payload) > 0; first = false {
		n := min(len(payload), 1<<14)
		out = append(out, typ, byte(v>>8), byte(v))
		out = binary.BigEndian.AppendUint16(out, uint16(n))
		out = append(out, payload[:n]...)
		payload = payload[n:]
	}
	return out
}

// talk is one side of a conversation, without the connection: what it is fed
// decides what it sends. It is made for one connection.
type talk interface {
	// start returns what to send first.
	start() ([]byte, error)
	// feed takes received bytes, and returns what to send and whether the talk
	// has learnt what it was made for. The peer's alerts are errors.
	feed(p []byte) (send []byte, done bool, err error)
}

// patient is a talk that holds something back for as long as the peer speaks.
type patient interface {
	// hurry returns what to send to a peer that has been silent, or nothing.
	hurry() []byte
}

// parseAlert returns the alert in a record as an error, or nil for a warning
// after which the handshake goes on.
func parseAlert(p []byte) error {
	if len(p) != 2 {
		return malformed("malformed alert")
	}
	if p[0] != alertFatal && p[1] != alertCloseNotify {
		return nil
	}
	return alertError{p[0], p[1]}
}

// flight is the talk of SSL 3 to TLS 1.2: one hello, and the server's messages
// in clear up to the one that is wanted.
type flight struct {
	hello ClientHello
	until byte // the message type after which the talk is done

	records  recordReader
	messages messageReader

	server       *ServerHello
	certificates [][]byte
	dhBits       int
}

func (f *flight) start() ([]byte, error) {
	msg, err := f.hello.Marshal()
	if err != nil {
		return nil, err
	}
	// Servers that know less than is offered may drop a higher record version
	// (RFC 5246 §E.1).
	return frame(recordHandshake, min(f.hello.Version, TLS10), msg), nil
}

func (f *flight) feed(p []byte) (send []byte, done bool, err error) {
	if err := f.records.write(p); err != nil {
		return nil, false, err
	}
	for {
		rec, ok, err := f.records.next()
		if err != nil || !ok {
			return nil, false, err
		}
		switch rec.typ {
		case recordAlert:
			if err := parseAlert(rec.payload); err != nil {
				return nil, false, err
			}
		case recordHandshake:
			f.messages.write(rec.payload)
			if done, err := f.read(); done || err != nil {
				return nil, done, err
			}
		default:
			return nil, false, malformed("record of type %d before the end of the handshake", rec.typ)
		}
	}
}

func (f *flight) read() (done bool, err error) {
	for {
		typ, body, _, ok, err := f.messages.next()
		if err != nil || !ok {
			return false, err
		}
		if err := f.message(typ, body); err != nil {
			return false, err
		}
		if typ == f.until || typ == typeServerHelloDone {
			return true, nil
		}
	}
}

func (f *flight) message(typ byte, body []byte) error {
	if (f.server == nil) != (typ == typeServerHello) {
		if typ == 0 { // HelloRequest, may come at any time
			return nil
		}
		return malformed("handshake message of type %d out of order", typ)
	}
	switch typ {
	case typeServerHello:
		h, err := ParseServerHello(body)
		if err != nil {
			return err
		}
		f.server = &h
		if h.Version > f.hello.Version || h.Version < SSL3 || h.Retry {
			return malformed("the server chose %v, which was not offered", h.Version)
		}
	case typeCertificate:
		list, err := ParseCertificates(f.server.Version, body)
		if err != nil {
			return err
		}
		f.certificates = list
	case typeServerKeyExchange:
		if suites()[f.server.Suite].ephemeralDH() {
			bits, err := ParseDHGroup(body)
			if err != nil {
				return err
			}
			f.dhBits = bits
		}
	}
	return nil
}
