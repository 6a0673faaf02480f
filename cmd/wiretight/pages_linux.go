package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// dropPages takes from the process the pages of its own program that it will
// read again from the system's file cache when it needs them. Starting runs
// through much of a program that serving never comes back to: without this the
// whole file stays resident.
//
// Only mappings that nobody can write to, and of which no page was changed, are
// dropped: what comes back is what was there.
func dropPages() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the program's file: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("read the process's mappings: %w", err)
	}
	defer f.Close()
	all, err := cleanMappings(io.LimitReader(f, maxSmaps), program)
	if err != nil {
		return err
	}
	for _, m := range all {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, m.start, m.end-m.start, syscall.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("drop pages of %s: %w", program, errno)
		}
	}
	return nil
}

// maxSmaps bounds what is read of the list of mappings.
const maxSmaps = 4 << 20

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// cleanMappings reads smaps (proc_pid_smaps(5)) for the mappings of program that
// are not writable and hold no page of their own, in memory or in swap.
func cleanMappings(smaps io.Reader, program string) (all []mapping, err error) {
	lines := bufio.NewScanner(smaps)
	var m mapping
	var ours bool
	clean := 0 // fields that say so
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0:
		case !strings.HasSuffix(fields[0], ":"):
			if m, err = parseRange(fields[0]); err != nil {
				return nil, err
			}
			// A path may hold spaces; it begins behind five fields.
			ours = len(fields) > 5 && strings.HasSuffix(lines.Text(), " "+program) && (fields[1] == "r--p" || fields[1] == "r-xp")
			clean = 0
		case ours && (fields[0] == "Anonymous:" || fields[0] == "Swap:") && len(fields) == 3 && fields[1] == "0":
			if clean++; clean == 2 {
				all = append(all, m)
			}
		}
	}
	return all, lines.Err()
}

func parseRange(s string) (m mapping, err error) {
	from, to, _ := strings.Cut(s, "-")
	start, err := strconv.ParseUint(from, 16, strconv.IntSize)
	if err != nil {
		return m, fmt.Errorf("read mapping %q: %w", s, err)
	}
	end, err := strconv.ParseUint(to, 16, strconv.IntSize)
	if err != nil || end < start {
		return m, fmt.Errorf("read mapping %q: it is no range", s)
	}
	return mapping{uintptr(start), uintptr(end)}, nil
}
