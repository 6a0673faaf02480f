package tlsprobe

import (
	"context"
	"errors"
)

// Downgrade is how a peer takes a client that was talked down to a lower
// version. In both answers Accepted is the weakness.
type Downgrade struct {
	// Fallback: Accepted says that a hello below the peer's best version was
	// answered though it carried TLS_FALLBACK_SCSV (RFC 7507 §3).
	Fallback Outcome
	// Unmarked: Accepted says that a peer that knows TLS 1.3 answered a hello
	// of a lower version without the mark of RFC 8446 §4.1.3 in its random.
	Unmarked Outcome
}

// Downgrade needs the answers of Versions and at most one connection. With one
// version up to TLS 1.2 there is nothing to fall back to: NotApplicable.
func (p *Probe) Downgrade(ctx context.Context, v Versions) Downgrade {
	return Downgrade{Fallback: p.fallback(ctx, v), Unmarked: v.unmarked()}
}

func (p *Probe) fallback(ctx context.Context, v Versions) Outcome {
	list := v.classic()
	switch {
	case v.Best() == 0:
		return v.none()
	case len(list) < 2:
		return notApplicable("at most one version up to TLS 1.2 is accepted")
	}
	best := list[len(list)-1]
	f := p.offer(best-1, suitesFor(best-1, anySuite), typeServerHello)
	f.hello.Suites = append(f.hello.Suites, scsvFallback)
	err := p.converse(ctx, f)
	if err == nil {
		return accepted("%v is answered with %v though %v is known", best-1, f.server.Version, best)
	}
	var alert alertError
	if errors.As(err, &alert) && alert.code == alertInappropriateFallback || plainRefusal(err) || closed(err) {
		return refused("%v", err)
	}
	return inconclusive("%v", err)
}

func (v Versions) unmarked() Outcome {
	list := v.classic()
	switch {
	case v.Best() == 0:
		return v.none()
	case v[TLS13].Verdict != Accepted, len(list) == 0:
		return notApplicable("TLS 1.3 and a lower version are not both accepted")
	}
	for _, version := range list {
		want := min(max(version, TLS11), TLS12)
		if got := v[version].Mark; got != want {
			return accepted("the server hello of %v is not marked", version)
		}
	}
	return refused("lower versions are marked")
}
