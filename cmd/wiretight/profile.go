//go:build profile

package main

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
)

// profiled writes a CPU profile to the file that $WIRETIGHT_CPUPROFILE names,
// from now until stop is called, and to $WIRETIGHT_MEMPROFILE what was
// allocated meanwhile. Only the build tag profile brings it in: what is shipped
// listens to neither variable.
func profiled(log *slog.Logger) (stop func()) {
	cpu := profileFile(log, "WIRETIGHT_CPUPROFILE")
	mem := profileFile(log, "WIRETIGHT_MEMPROFILE")
	if mem != nil {
		runtime.MemProfileRate = 64 << 10
	}
	if cpu != nil {
		if err := pprof.StartCPUProfile(cpu); err != nil {
			log.Error("start profile", "error", err)
		}
	}
	return func() {
		pprof.StopCPUProfile()
		if mem != nil {
			runtime.GC() // what was allocated since the last one is not in the profile yet
			if err := pprof.Lookup("allocs").WriteTo(mem, 0); err != nil {
				log.Error("write profile", "error", err)
			}
		}
		for _, f := range []*os.File{cpu, mem} {
			if f != nil {
				_ = f.Close()
			}
		}
	}
}

// profileFile creates the file that a variable names; nil without one.
func profileFile(log *slog.Logger, variable string) *os.File {
	name := os.Getenv(variable)
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		log.Error("create profile", "error", err)
		return nil
	}
	return f
}
