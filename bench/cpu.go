package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of the times in /proc/PID/stat; Linux fixes it at 100 a
// second for user space on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// cpuTime returns the user and system time that the process root and all its
// descendants have used, those included that have ended and were waited for.
// Living processes are read from their CPU clock, in nanoseconds.
func cpuTime(root int) (time.Duration, error) {
	pids, err := processTree(root)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, pid := range pids {
		t, err := cpuTimeOf(pid)
		if err != nil && pid != root {
			continue // it ended meanwhile; its parent's stat has its time
		}
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}

func cpuTimeOf(pid int) (time.Duration, error) {
	// The clock's number is how the kernel's posix-cpu-timers.h builds it:
	// the complement of the pid, and 2 for "run time of all threads".
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|2, &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d: %w", pid, err)
	}
	f, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	reaped, err := ticks(f[13], f[14]) // cutime, cstime
	if err != nil {
		return 0, fmt.Errorf("read times of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()) + reaped, nil
}

func ticks(fields ...string) (time.Duration, error) {
	var n int64
	for _, f := range fields {
		v, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		n += v
	}
	return time.Duration(n) * tick, nil
}

// statFields returns the fields of /proc/PID/stat from the third (state) on:
// index 1 is the parent, 13 and 14 the times of waited-for children.
func statFields(pid int) ([]string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, fmt.Errorf("read times of process %d: %w", pid, err)
	}
	// The name may hold spaces and brackets; it ends at the last bracket.
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(f) < 15 {
		return nil, fmt.Errorf("read times of process %d: %d fields in stat", pid, len(f))
	}
	return f, nil
}

// processTree returns root and all its living descendants.
func processTree(root int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		f, err := statFields(pid)
		if err != nil {
			continue // ended meanwhile
		}
		if parent, err := strconv.Atoi(f[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree, nil
}

// memory is the resident memory of a process tree in bytes.
type memory struct{ now, peak int64 }

// residentMemory adds up VmRSS and VmHWM of root and its descendants. Pages
// that they share are counted in each.
func residentMemory(root int) (memory, error) {
	pids, err := processTree(root)
	if err != nil {
		return memory{}, err
	}
	var m memory
	for _, pid := range pids {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil && pid == root {
			return memory{}, fmt.Errorf("read memory of process %d: %w", pid, err)
		}
		for line := range strings.Lines(string(raw)) {
			name, value, _ := strings.Cut(line, ":")
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			switch {
			case err != nil:
			case name == "VmRSS":
				m.now += kib << 10
			case name == "VmHWM":
				m.peak += kib << 10
			}
		}
	}
	if m.now == 0 {
		return m, fmt.Errorf("process %d has no memory; has it ended?", root)
	}
	return m, nil
}
