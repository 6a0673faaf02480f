package guard

// keepsNothing tells a server that wants to know that nothing of request and
// writer is in anybody's hands when the handler returns, so that they can serve
// the next request.
func (x *exchange) keepsNothing() {
	if s, ok := x.answer.w.(interface{ Reuse() }); ok {
		s.Reuse()
	}
}
