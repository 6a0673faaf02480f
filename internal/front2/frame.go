package front2

import (
	"encoding/binary"
	"fmt"
)

// The types of frames (RFC 9113 §6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameReset        = 0x3
	frameSettings     = 0x4
	framePush         = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9
)

const (
	flagEndStream  = 0x1 // of DATA and HEADERS
	flagAck        = 0x1 // of SETTINGS and PING
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	headLen       = 9       // of every frame
	maxFrame      = 1 << 14 // that we take and send
	firstWindow   = 1<<16 - 1
	maxWindow     = 1<<31 - 1
	clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// code is why a stream or a connection ends (RFC 9113 §7).
type code uint32

const (
	noError          code = 0x0
	protocolError    code = 0x1
	internalError    code = 0x2
	flowError        code = 0x3
	streamClosed     code = 0x5
	frameSizeError   code = 0x6
	refusedStream    code = 0x7
	compressionError code = 0x9
	enhanceYourCalm  code = 0xb
)

// failure ends a connection.
type failure struct {
	code   code
	reason string
}

// Error implements error.
func (f *failure) Error() string { return fmt.Sprintf("http2: %s (code %d)", f.reason, f.code) }

func fail(c code, reason string) error { return &failure{c, reason} }

// frame is the header of a frame.
type frame struct {
	length int
	kind   byte
	flags  byte
	stream uint32
}

func parseFrame(b []byte) frame {
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]), kind: b[3], flags: b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & maxWindow,
	}
}

func (f frame) has(flag byte) bool { return f.flags&flag != 0 }

// appendFrame appends the header of a frame.
func appendFrame(b []byte, length int, kind, flags byte, stream uint32) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	return binary.BigEndian.AppendUint32(b, stream)
}

func appendReset(b []byte, stream uint32, c code) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, 4, frameReset, 0, stream), uint32(c))
}

func appendWindow(b []byte, stream uint32, n int) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, 4, frameWindow, 0, stream), uint32(n))
}

func appendGoAway(b []byte, last uint32, c code) []byte {
	b = binary.BigEndian.AppendUint32(appendFrame(b, 8, frameGoAway, 0, 0), last)
	return binary.BigEndian.AppendUint32(b, uint32(c))
}

// The settings (RFC 9113 §6.5.2).
const (
	settingTable      = 0x1
	settingPush       = 0x2
	settingStreams    = 0x3
	settingWindow     = 0x4
	settingFrame      = 0x5
	settingHeaderList = 0x6
)

// appendSettings appends what we say first.
func appendSettings(b []byte, maxHeader int) []byte {
	b = appendFrame(b, 3*6, frameSettings, 0, 0)
	for _, s := range [...]struct {
		id    uint16
		value int
	}{{settingStreams, maxStreams}, {settingWindow, streamWindow}, {settingHeaderList, maxHeader}} {
		b = binary.BigEndian.AppendUint16(b, s.id)
		b = binary.BigEndian.AppendUint32(b, uint32(s.value))
	}
	return appendWindow(b, 0, connWindow-firstWindow)
}
