package extauthz

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// States of a service (grpc.health.v1.HealthCheckResponse.ServingStatus).
const (
	serving        = 1
	notServing     = 2
	serviceUnknown = 3
)

const (
	// maxWatches bounds those who watch, since each costs a goroutine.
	maxWatches = 64
	// watchEvery is how soon a watch tells of a change.
	watchEvery = time.Second
)

// healthCheck says whether the guard can decide every question.
func (a *Authorizer) healthCheck(w http.ResponseWriter, r *http.Request) {
	service, err := a.healthRequest(w, r)
	if err == nil && !known(service) {
		err = &status{codeNotFound, "unknown service"}
	}
	if err == nil {
		answer(w, appendNumber(make([]byte, 5, 8), 1, a.health()))
	}
	end(w, err)
}

// healthWatch says it again whenever it changes, until the caller goes away or
// Drain.
func (a *Authorizer) healthWatch(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	service, err := a.healthRequest(w, r)
	if err != nil {
		end(w, err)
		return
	}
	defer a.watches.Add(-1)
	most := int64(maxWatches)
	if !a.guard.MayAsk(peer(r)) {
		most /= 2 // strangers leave room
	}
	if a.watches.Add(1) > most {
		end(w, &status{codeResourceExhausted, "too many watch already"})
		return
	}
	c := http.NewResponseController(w)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for said := 0; ; {
		now := serviceUnknown
		if known(service) {
			now = a.health()
		}
		if now != said {
			said = now
			answer(w, appendNumber(make([]byte, 5, 8), 1, now))
			if c.Flush() != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			if r.Context().Err() == nil {
				end(w, &status{codeDeadlineExceeded, "the caller's deadline has passed"})
			}
			return
		case <-tick.C:
		case <-a.draining:
			if known(service) && said != notServing {
				answer(w, appendNumber(make([]byte, 5, 8), 1, notServing))
			}
			end(w, nil)
			return
		}
	}
}

// known reports whether a service is one of ours; an empty name means all of them.
func known(service string) bool { return service == "" || service == authorizationService }

// health is the state of all services, which depend on the same things.
func (a *Authorizer) health() int {
	select {
	case <-a.draining:
		return notServing
	default:
	}
	if !a.guard.Ready().Ready {
		return notServing
	}
	return serving
}

// healthRequest reads the name of the service that is asked about.
func (a *Authorizer) healthRequest(w http.ResponseWriter, r *http.Request) (service string, err error) {
	m, err := a.readMessage(w, r, maxHealth)
	if err != nil {
		return "", err
	}
	err = each(m, func(number protowire.Number, data []byte) error {
		if number != 1 {
			return nil
		}
		return text(&service, data)
	})
	return service, err
}
