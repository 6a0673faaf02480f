package store

import (
	"context"
	"fmt"
	"slices"
)

// chart says who has which record. It is immutable.
type chart struct {
	only   *node // not a Cluster
	slots  *[slots]*node
	ranges []slotRange
	probes []int // groups to probe, one for each primary that has one
}

// slotRange is what one line of CLUSTER SLOTS says.
type slotRange struct {
	from, to uint16
	address  string // of the primary
}

func (c *chart) holder(name string) (*node, error) {
	if c.only != nil {
		return c.only, nil
	}
	if n := c.slots[slot(name)]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("slot %d of the store's Cluster has no node", slot(name))
}

// whole says whether every record has a place.
func (c *chart) whole() error {
	if c.only == nil {
		if i := slices.Index(c.slots[:], nil); i >= 0 {
			return fmt.Errorf("slot %d of the store's Cluster has no node", i)
		}
	}
	return nil
}

// primaries are all nodes that have records.
func (c *chart) primaries() []*node {
	if c.only != nil {
		return []*node{c.only}
	}
	var all []*node
	for _, r := range c.ranges {
		if n := c.slots[r.from]; !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// groups are those whose records a node has.
func (c *chart) groups(n *node, names *layout) (groups []int) {
	for g := range allGroups {
		if holder, err := c.holder(names.count(g)); err == nil && holder == n {
			groups = append(groups, g)
		}
	}
	return groups
}

// chart waits until it was tried to make one.
func (v *Valkey) chart(ctx context.Context) (*chart, error) {
	select {
	case <-v.first:
	case <-v.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("store does not answer: %w", ctx.Err())
	}
	if v.isClosed() {
		return nil, ErrClosed
	}
	if c := v.charts.Load(); c != nil {
		return c, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return nil, v.lost
}
