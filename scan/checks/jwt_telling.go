package checks

import (
	"context"

	"github.com/wiretight/wiretight/scan"
)

// telling are operations whose answer to the genuine token differs from that to no
// credential. The oracle's are among them; where it has none, as where signatures
// do not matter, those do that at least demand a credential.
func telling(ctx context.Context, t *scan.Target) (list []scan.Protected, why string) {
	if list := t.Protected(); len(list) > 0 {
		return list, ""
	}
	for _, o := range callable(t, 3) {
		p, err := t.Baseline(ctx, o)
		if err == nil && p.Bv.OK() && p.Bv2.OK() && p.Bv.Class == p.Bv2.Class && p.B0 != nil && p.B0.Class != p.Bv.Class {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		why = "no operation tells a good token from none: " + t.Unprotected()
	}
	return list, why
}

// takes tells whether an answer is that to the genuine token.
func takes(p scan.Protected, r *scan.Response) bool {
	if p.Eligible {
		return p.Genuine(r)
	}
	return r.OK() && r.Class == p.Bv.Class
}
