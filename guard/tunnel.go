package guard

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// tunnel joins both connections after a switch of protocols.
func (x *exchange) tunnel(ctx context.Context, out *http.Request, res *http.Response) {
	back, ok := res.Body.(io.ReadWriteCloser)
	if !ok || len(out.Header["Upgrade"]) == 0 || !strings.EqualFold(res.Header.Get("Upgrade"), "websocket") {
		x.upstreamFailed(errors.New("switched to another protocol than was asked for"))
		return
	}
	h := x.w.Header()
	for name, values := range res.Header {
		h[name] = values
	}
	if reason := x.answer.guardHeader(h, res.StatusCode); reason != "" {
		x.upstreamFailed(errors.New(reason))
		return
	}
	conn, rw, err := x.answer.Hijack()
	if err != nil {
		x.upstreamFailed(err)
		return
	}
	defer func() { _ = conn.Close() }() // both directions have ended
	stop := context.AfterFunc(ctx, func() { _ = back.Close() })
	defer stop()
	res.Header, res.Body = h, nil
	if err = res.Write(rw); err == nil {
		err = rw.Flush()
	}
	if err != nil {
		x.answer.aborted = x.withoutSecrets(err.Error())
		return
	}
	done := make(chan struct{}, 1)
	go func() {
		_, _ = io.Copy(back, rw.Reader) // either end may hang up
		if w, ok := back.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		} else {
			_ = back.Close()
		}
		done <- struct{}{}
	}()
	_, _ = io.Copy(conn, back) // either end may hang up
	_ = conn.Close()
	_ = back.Close()
	<-done
}
