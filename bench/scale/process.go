package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the processor time that a process has used, its ended children not
// included.
func cpu(pid int) (time.Duration, error) {
	// As the kernel's posix-cpu-timers.h numbers the clocks of processes: the
	// complement of the pid, and 2 for the run time of all threads.
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|2, &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// resident is the memory of a process that is in use, and the part of it that
// is its own and not a file's, in MB.
func resident(pid int) (all, own float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, err := strconv.ParseFloat(kb, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			all = n * 1024 / 1e6
		case "RssAnon":
			own = n * 1024 / 1e6
		}
	}
	if all == 0 {
		return 0, 0, fmt.Errorf("read memory of process %d: the kernel does not tell", pid)
	}
	return all, own, nil
}

// load is the load average of the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

// place says where and when, for below the tables.
func place(before string) string {
	name := "an unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	version := "of unknown version"
	if out, err := exec.Command("redis-server", "--version").Output(); err == nil {
		if fields := strings.Fields(string(out)); len(fields) > 2 {
			version = strings.TrimPrefix(fields[2], "v=")
		}
	}
	return fmt.Sprintf("%s, %d processors of %s, %s, redis-server %s, load average %s before and %s after.",
		time.Now().UTC().Format("2 January 2006"), runtime.NumCPU(), name, runtime.Version(), version, before, load())
}

// median of some numbers; zero of none.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// micros is a time an operation, in microseconds.
func micros(d time.Duration, operations int) float64 {
	return float64(d) / float64(time.Microsecond) / float64(max(1, operations))
}
