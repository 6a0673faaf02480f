package store

import (
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// dropPages gives back what the process has mapped of the file. The pages stay
// in the kernel's cache for as long as nobody else needs the memory; without
// this, whoever has read the file once counts as using all of it. In tx, so
// that the mapping stays where it is.
func dropPages(tx *bolt.Tx) {
	info := tx.DB().Info()
	// Only advice: what is read meanwhile is mapped again.
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, info.Data, uintptr(tx.Size()), syscall.MADV_DONTNEED)
}
