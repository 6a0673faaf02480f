package extauthz

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
)

const (
	// maxMessage is the longest message that is read. Envoy sends up to some
	// 60 KiB of headers unless it is told otherwise.
	maxMessage = 1 << 20
	// maxHealth is that for questions about health, which anybody may ask.
	maxHealth = 4 << 10
	// messageWait is how long a message may take to come.
	messageWait = 10 * time.Second
	// maxDeadline bounds what a caller may ask for.
	maxDeadline = time.Minute
)

// The methods that are served.
const (
	authorizationService = "envoy.service.auth.v3.Authorization"
	methodCheck          = "/" + authorizationService + "/Check"
	methodHealthCheck    = "/grpc.health.v1.Health/Check"
	methodHealthWatch    = "/grpc.health.v1.Health/Watch"
)

// GRPC answers Envoy: envoy.service.auth.v3.Authorization, and
// grpc.health.v1.Health beside it. The server below must speak HTTP/2.
//
// Whatever a question looks like, its answer is a refusal and no error of gRPC,
// since there are Envoys that are told to let pass what ends in an error.
func (a *Authorizer) GRPC() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			http.Error(w, "gRPC needs HTTP/2", http.StatusHTTPVersionNotSupported)
			return
		}
		subtype, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
		if !ok || r.Method != http.MethodPost || subtype != "" && subtype != "+proto" && !strings.HasPrefix(subtype, ";") {
			http.Error(w, "this is a gRPC service", http.StatusUnsupportedMediaType)
			return
		}
		w.Header()["Content-Type"] = []string{"application/grpc"}
		ctx, cancel, err := deadline(r)
		if err != nil {
			end(w, err)
			return
		}
		defer cancel()
		switch r.URL.Path {
		case methodCheck:
			a.check(ctx, w, r)
		case methodHealthCheck:
			a.healthCheck(w, r)
		case methodHealthWatch:
			a.healthWatch(ctx, w, r)
		default:
			end(w, &status{codeUnimplemented, "unknown method " + strconv.QuoteToASCII(r.URL.Path[:min(len(r.URL.Path), 100)])})
		}
	})
}

// status is an end that is not OK.
type status struct {
	code    int
	message string
}

func (s *status) Error() string { return s.message }

// check answers one question.
func (a *Authorizer) check(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	q := guard.Question{Asker: peer(r)}
	var trial *probe
	var seen *Seen
	var m []byte
	var err error
	// Of who may not ask, nothing is worth the memory, unless a trial wants to
	// know what it was.
	heard := a.guard.MayAsk(q.Asker) || a.probe.Load() != nil
	if heard {
		m, err = a.readMessage(w, r, maxMessage)
	}
	var s *status
	switch {
	case !heard:
	case errors.As(err, &s) && s.code == codeUnimplemented:
		end(w, err)
		return
	case err != nil:
		q.Unclear = "read Envoy's question: " + err.Error()
	default:
		c, err := parseCheckRequest(m)
		if err == nil {
			q = c.question(q.Asker)
			trial, seen = a.noteEnvoy(&q, &c)
		} else {
			q.Unclear = "read Envoy's question: " + err.Error()
		}
	}
	sent := make(http.Header, 3)
	for _, name := range guard.IdentityHeaders() {
		if v := q.Header[name]; len(v) > 0 {
			sent[name] = v
		}
	}
	d := a.guard.Authorize(ctx, q)
	trial.keep(seen, &d, a.guard.MayAsk(q.Asker))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		end(w, &status{codeDeadlineExceeded, "the caller's deadline has passed"})
		return
	}
	answer(w, appendCheckResponse(make([]byte, 5, 1024), &d, sent))
	end(w, nil)
}

// readMessage reads the one message of a request, of at most limit bytes, which
// must not be long in coming.
func (a *Authorizer) readMessage(w http.ResponseWriter, r *http.Request, limit uint32) ([]byte, error) {
	// A deadline is a message to the server's loop, so it is set only when it is due.
	late := make(chan struct{})
	timer := time.AfterFunc(a.messageWait, func() {
		defer close(late)
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // HTTP/2 servers can
	})
	defer func() {
		if !timer.Stop() {
			<-late // the writer is not ours once the handler has returned
		}
	}()
	var head [5]byte
	if _, err := io.ReadFull(r.Body, head[:]); err != nil {
		return nil, &status{codeInternal, "no whole message came"}
	}
	switch n := binary.BigEndian.Uint32(head[1:]); {
	case head[0] == 1:
		return nil, &status{codeUnimplemented, "compressed messages are not taken"}
	case head[0] != 0:
		return nil, &status{codeInternal, "unknown flag of a message"}
	case n > limit:
		return nil, &status{codeResourceExhausted, "message is longer than " + strconv.Itoa(int(limit)) + " bytes"}
	default:
		m, err := readUpTo(r.Body, int(n)+1)
		if err != nil || len(m) != int(n) {
			return nil, &status{codeInternal, "message is not as long as it says, or not the only one"}
		}
		return m, nil
	}
}

// readUpTo reads to the end, or n bytes. Memory for more than is usual is taken
// as it comes, not as it is announced.
func readUpTo(r io.Reader, n int) ([]byte, error) {
	const usual = 16 << 10
	if n > usual {
		return io.ReadAll(io.LimitReader(r, int64(n)))
	}
	m := make([]byte, n)
	n, err := io.ReadFull(r, m)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return m[:n], err
}

// answer sends a message, before which there is room for its length.
func answer(w http.ResponseWriter, m []byte) {
	binary.BigEndian.PutUint32(m[1:5], uint32(len(m)-5))
	_, _ = w.Write(m) // the caller is gone: nobody left to tell
}

// end ends a call: with OK if err is nil.
func end(w http.ResponseWriter, err error) {
	h := w.Header()
	if err == nil {
		h[http.TrailerPrefix+"Grpc-Status"] = []string{"0"}
		return
	}
	s := &status{codeInternal, err.Error()}
	errors.As(err, &s)
	h[http.TrailerPrefix+"Grpc-Status"] = []string{strconv.Itoa(s.code)}
	h[http.TrailerPrefix+"Grpc-Message"] = []string{percent(s.message)}
}

// percent writes a message as trailers may have it.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '%' {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[s[i]>>4])
			b.WriteByte("0123456789ABCDEF"[s[i]&15])
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// deadline makes the context of a call, bounded by grpc-timeout if there is one.
// Only a watch may go on without.
func deadline(r *http.Request) (context.Context, context.CancelFunc, error) {
	values := r.Header["Grpc-Timeout"]
	if len(values) == 0 {
		if r.URL.Path == methodHealthWatch {
			return r.Context(), func() {}, nil
		}
		ctx, cancel := context.WithTimeout(r.Context(), maxDeadline)
		return ctx, cancel, nil
	}
	d, ok := timeout(values[0])
	if !ok || len(values) > 1 {
		return nil, nil, &status{codeInternal, "malformed grpc-timeout"}
	}
	if r.URL.Path != methodHealthWatch {
		d = min(d, maxDeadline)
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	return ctx, cancel, nil
}

// timeout reads a TimeoutValue of at most eight digits and its TimeoutUnit.
func timeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	unit, ok := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if !ok || err != nil {
		return 0, false
	}
	const longest = 365 * 24 * time.Hour
	if n > uint64(longest/unit) {
		return longest, true
	}
	return time.Duration(n) * unit, true
}
