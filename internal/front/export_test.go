package front

import "net/http"

// Reader reads heads as connections do, one after the other.
type Reader struct{ head head }

// Read takes the first head out of b. A status of zero means that it is good;
// usual says that the package would answer it. size is zero where no head ends
// in b.
func (r *Reader) Read(b []byte) (req *http.Request, size int, usual bool, status int) {
	seen, line := 0, 0
	end, no := headEnd(b, &seen, &line)
	switch {
	case no != nil:
		return nil, 0, false, no.status
	case end == 0:
		return nil, 0, false, 0
	}
	if no := r.head.parse(b[:end]); no != nil {
		return nil, end, false, no.status
	}
	h := &r.head
	req = &http.Request{
		Method: h.method, RequestURI: h.target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Host: h.host, Close: h.close, ContentLength: h.length, Header: http.Header{},
	}
	u := h.url
	req.URL = &u
	h.fill(req.Header, nil)
	return req, end, h.usual(), 0
}
