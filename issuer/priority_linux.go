package issuer

import "syscall"

// niceness is how far hashing stands back behind who serves requests. Further
// back, and on a busy machine nobody could log in.
const niceness = 5

// yieldToOthers lowers the priority of this thread and of what it starts. If
// that fails, hashing competes like everything else.
func yieldToOthers() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness) }
