package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

const (
	// surveyPause is how often a Cluster is asked who has which slot. It is
	// asked at once when a node sends somebody elsewhere or fails.
	surveyPause = time.Second
	// surveyRest keeps it from being asked all the time.
	surveyRest = 50 * time.Millisecond
	// nodeIdle is how long a node without slots is kept.
	nodeIdle = 30 * time.Second
	// maxNodes bounds the nodes that a Cluster may name.
	maxNodes = 2048
)

// node is the one at an address, which is put into use if it was not.
func (v *Valkey) node(address string) (*node, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n := v.nodes[address]; n != nil {
		n.needed.Store(time.Now().Unix())
		return n, nil
	}
	if v.closed {
		return nil, ErrClosed
	}
	if len(v.nodes) >= maxNodes {
		return nil, fmt.Errorf("store's Cluster names more than %d nodes", maxNodes)
	}
	n := v.newNode(func(context.Context) (string, error) { return address, nil }, inspectPause, nil)
	n.needed.Store(time.Now().Unix())
	v.nodes[address] = n
	return n, nil
}

// redirect is a Cluster's answer that another node has the record, and that
// nothing was done.
type redirect struct {
	address string
	asking  bool // this once only: the slot is on its way there
	again   bool // here, but later: the keys are half on their way
	text    string
}

func (r *redirect) Error() string { return "store's Cluster sends elsewhere: " + r.text }

// readRedirect reads such an answer from the node at from, or gives nil. The
// library's reader of it panics at half an answer.
func readRedirect(text, from string) *redirect {
	r := &redirect{text: text}
	words := strings.Split(text, " ")
	switch {
	case words[0] == "TRYAGAIN":
		r.again = true
		return r
	case len(words) != 3 || words[0] != "MOVED" && words[0] != "ASK":
		return nil
	}
	r.asking = words[0] == "ASK"
	colon := strings.LastIndexByte(words[2], ':') // an IPv6 address may stand without brackets
	if colon < 0 || colon == len(words[2])-1 {
		return nil
	}
	host := strings.Trim(words[2][:colon], "[]")
	if host == "" {
		host, _, _ = net.SplitHostPort(from)
	}
	var ok bool
	r.address, ok = joinAddress(host, words[2][colon+1:])
	if !ok {
		return nil
	}
	return r
}

func (v *Valkey) lookAgain() {
	select {
	case v.again <- struct{}{}:
	default:
	}
}

// survey finds out what the servers are, and keeps the chart of a Cluster.
func (v *Valkey) survey() {
	for known := false; ; known = true {
		pause := surveyPause
		final, err := v.draw()
		if err != nil {
			pause = redialPause
		}
		v.mu.Lock()
		v.lost = err
		v.mu.Unlock()
		if !known {
			close(v.first)
		}
		if final {
			return
		}
		if !v.rest(surveyRest, nil) || !v.rest(pause-surveyRest, v.again) {
			return
		}
	}
}

// rest answers false when the store closes.
func (v *Valkey) rest(d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-v.done:
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}

// draw makes a new chart if there is need for one. final: it will not change.
func (v *Valkey) draw() (final bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), v.wait)
	defer cancel()
	var errs []error
	var second []slotRange // of a node that is not sure
	for _, n := range v.witnesses() {
		c, address, err := n.connected(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n.mu.RLock()
		cluster := n.cluster
		n.mu.RUnlock()
		if !cluster {
			v.charts.Store(&chart{only: n, probes: []int{logGroup}})
			return true, nil
		}
		ranges, sure, err := askSlots(ctx, c, address)
		if err != nil {
			if _, answered := valkey.IsValkeyErr(err); !answered {
				n.fail(c, explain(address, err))
			}
			errs = append(errs, explain(address, err))
			continue
		}
		if sure {
			return false, v.adopt(ranges)
		}
		second = ranges
	}
	if len(second) > 0 {
		return false, v.adopt(second)
	}
	if len(errs) == 0 {
		errs = append(errs, errors.New("no node of the store's Cluster has a slot"))
	}
	return false, errors.Join(errs...)
}

// witnesses are the nodes to ask, in no order: those of the URL and those that
// they have named. Who is cut off from the others must not be asked first
// every time.
func (v *Valkey) witnesses() []*node {
	for _, address := range v.at.addresses {
		if _, err := v.node(address); err != nil {
			return nil
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]*node, 0, len(v.nodes))
	for _, n := range v.nodes {
		all = append(all, n)
	}
	return all
}

// askSlots asks one node who has which slot, and whether it is sure.
func askSlots(ctx context.Context, c valkey.Client, address string) (ranges []slotRange, sure bool, err error) {
	answers := c.DoMulti(ctx, c.B().ClusterInfo().Build(), c.B().ClusterSlots().Build())
	info, err := answers[0].ToString()
	if err != nil {
		return nil, false, err
	}
	lines, err := answers[1].ToArray()
	if err != nil {
		return nil, false, err
	}
	for _, line := range lines {
		r, err := readSlots(line, address)
		if err != nil {
			return nil, false, err
		}
		ranges = append(ranges, r)
	}
	slices.SortFunc(ranges, func(a, b slotRange) int { return int(a.from) - int(b.from) })
	return ranges, infoField(info, "cluster_state") == "ok", nil
}

var errSlots = errors.New("answer to CLUSTER SLOTS is of unknown form")

// readSlots reads a line: first slot, last slot, primary, replicas.
func readSlots(line valkey.ValkeyMessage, asked string) (r slotRange, err error) {
	parts, err := line.ToArray()
	if err != nil || len(parts) < 3 {
		return r, errSlots
	}
	from, err1 := parts[0].AsInt64()
	to, err2 := parts[1].AsInt64()
	primary, err3 := parts[2].ToArray()
	if err := errors.Join(err1, err2, err3); err != nil || from < 0 || from > to || to >= slots || len(primary) < 2 {
		return r, errSlots
	}
	host, err := primary[0].ToString()
	if err != nil || host == "" { // it does not know its own
		host, _, _ = net.SplitHostPort(asked)
	}
	port, err := primary[1].AsInt64()
	address, ok := joinAddress(host, strconv.FormatInt(port, 10))
	if err != nil || !ok || host == "?" {
		return r, errSlots
	}
	return slotRange{from: uint16(from), to: uint16(to), address: address}, nil
}

// adopt puts a chart into use, and nodes that have nothing any more out of it.
func (v *Valkey) adopt(ranges []slotRange) error {
	last := v.charts.Load()
	if last != nil && slices.Equal(last.ranges, ranges) {
		v.prune(last)
		return nil
	}
	if len(ranges) == 0 {
		return errors.New("no node of the store's Cluster has a slot")
	}
	next := &chart{slots: new([slots]*node), ranges: ranges}
	for _, r := range ranges {
		n, err := v.node(r.address)
		if err != nil {
			return err
		}
		for s := int(r.from); s <= int(r.to); s++ {
			next.slots[s] = n
		}
	}
	for _, n := range next.primaries() {
		if groups := next.groups(n, &v.names); len(groups) > 0 {
			next.probes = append(next.probes, groups[0])
		}
	}
	v.charts.Store(next)
	return nil
}

// prune ends the nodes that are neither in the URL nor in the chart, and to
// which nobody was sent for a while.
func (v *Valkey) prune(c *chart) {
	v.mu.Lock()
	defer v.mu.Unlock()
	used := c.primaries()
	idle := time.Now().Add(-nodeIdle).Unix()
	for address, n := range v.nodes {
		if n.needed.Load() < idle && !slices.Contains(used, n) && !slices.Contains(v.at.addresses, address) {
			delete(v.nodes, address)
			n.leave()
		}
	}
}
