package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// inspect makes sure that the server is a primary and never evicts.
func (n *node) inspect(ctx context.Context, c valkey.Client, address string) error {
	info, err := c.Do(ctx, c.B().Info().Build()).ToString()
	if err != nil {
		return explain(address, err)
	}
	cluster := infoField(info, "cluster_enabled") == "1"
	policy := infoField(info, "maxmemory_policy")
	switch {
	case infoField(info, "redis_mode") == "sentinel":
		return fmt.Errorf("store at %s is a Sentinel; write master_set=NAME, with the name that it has for the primary", address)
	case policy != "noeviction" && infoField(info, "maxmemory") != "0":
		return fmt.Errorf("store at %s evicts records (maxmemory-policy %q), so what was used could be used again; set it to noeviction", address, policy)
	case infoField(info, "role") != "master" && !cluster:
		return fmt.Errorf("store at %s is a replica (READONLY); name its primary, or the Sentinels with master_set", address)
	case cluster && n.v.at.master != "":
		return fmt.Errorf("store at %s is a node of a Cluster, which has no Sentinel; leave master_set out", address)
	case cluster && n.v.at.database != 0:
		return fmt.Errorf("store at %s is a node of a Cluster, which has only database 0; leave the database out", address)
	case !cluster && n.v.at.master == "" && len(n.v.at.addresses) > 1:
		return fmt.Errorf("store at %s is not a node of a Cluster, so several addresses need Sentinels; write master_set=NAME, or the primary's address alone", address)
	}
	if n.v.at.replicas > 0 {
		// It has a connection of its own, which is made now and not when
		// somebody waits for it.
		if err := c.Do(ctx, c.B().Wait().Numreplicas(0).Timeout(1).Build()).Error(); err != nil {
			return explain(address, err)
		}
	}
	n.inspected = time.Now()
	n.mu.Lock()
	n.cluster = cluster
	n.mu.Unlock()
	return nil
}

// infoField finds a field in the answer to INFO.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// callRoll reads the counts of all groups that the server has, and begins
// those that there are not: what it lost is known before it is used.
func (n *node) callRoll(ctx context.Context, c valkey.Client, address string) error {
	groups := n.groups()
	if len(groups) == 0 {
		return nil
	}
	before := make([]mark, len(groups))
	ask := make([]valkey.Completed, len(groups))
	for i, g := range groups {
		before[i] = n.v.water.mark(g)
		ask[i] = c.B().Get().Key(n.v.names.count(g)).Build()
	}
	for i, answer := range c.DoMulti(ctx, ask...) {
		err := answer.Error()
		if valkey.IsValkeyNil(err) {
			mark := newMark()
			begin := c.B().Eval().Script(countScript.text).Numkeys(1).Key(n.v.names.count(groups[i])).Arg(mark).Build()
			answer = c.Do(ctx, begin)
			err = answer.Error()
		}
		if _, answered := valkey.IsValkeyErr(err); answered {
			continue // the slot has moved, or nothing can be written: each call is told
		}
		if err != nil {
			return explain(address, err)
		}
		if is, err := answer.ToString(); err == nil {
			n.v.water.saw(groups[i], before[i], is, false, n.v.now())
		}
	}
	return nil
}

// groups are those that the server has, as far as is known.
func (n *node) groups() []int {
	if ch := n.v.charts.Load(); ch != nil && ch.only == nil {
		return ch.groups(n, &n.v.names)
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.cluster {
		return nil
	}
	all := make([]int, allGroups)
	for g := range all {
		all[g] = g
	}
	return all
}
