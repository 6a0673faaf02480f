package cluster

import "slices"

// PID is the guard's process, for whoever measures it.
func (g *Guard) PID() int { return g.p.cmd.Process.Pid }

// PID is the server's process.
func (s *Server) PID() int { return s.p.cmd.Process.Pid }

// Stop ends a guard in order, and takes it out of Guards.
func (c *Cluster) Stop(g *Guard) error {
	c.Guards = slices.DeleteFunc(c.Guards, func(other *Guard) bool { return other == g })
	return g.close()
}
