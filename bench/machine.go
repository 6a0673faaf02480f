package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where the numbers come from. What cannot be found out is empty.
type machine struct {
	Processor  string   `json:"processor"`
	Cores      int      `json:"cores"`
	MemoryGB   float64  `json:"memory_gb"`
	Kernel     string   `json:"kernel"`
	System     string   `json:"system"`
	Commit     string   `json:"commit"`
	Versions   []string `json:"versions"`
	LoadBefore string   `json:"load_before"` // averages of 1, 5 and 15 minutes
	LoadAfter  string   `json:"load_after"`
}

func seeMachine(ps []proxy, source string) machine {
	m := machine{
		Processor: valueIn("/proc/cpuinfo", "model name", ":"), Cores: runtime.NumCPU(),
		System: strings.Trim(valueIn("/etc/os-release", "PRETTY_NAME", "="), `"`), Commit: commitOf(source),
		LoadBefore: loadAverage(), Versions: []string{runtime.Version()},
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.MemoryGB = float64(info.Totalram) * float64(info.Unit) / (1 << 30)
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	seen := map[string]bool{}
	for _, p := range ps {
		if p.program != "" && !seen[p.program] {
			seen[p.program] = true
			m.Versions = append(m.Versions, packageVersions(p.pkg)...)
		}
	}
	return m
}

// valueIn is what stands behind a name in a file of such lines.
func valueIn(file, name, between string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if n, v, ok := strings.Cut(in.Text(), between); ok && strings.TrimSpace(n) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(raw))
	if err != nil || len(f) < 3 {
		return ""
	}
	return strings.Join(f[:3], " ")
}

// packageVersions asks Debian: what a program says of itself lacks the patches.
func packageVersions(pkgs string) []string {
	args := append([]string{"-W", "-f=${Package} ${Version}\n"}, strings.Fields(pkgs)...)
	out, err := exec.Command("dpkg-query", args...).Output()
	if err != nil {
		return nil
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

// commitOf names the state of the sources that the guard was built from.
func commitOf(source string) string {
	out, err := exec.Command("git", "-C", source, "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// lines say it to a reader.
func (m machine) lines() []string {
	return []string{
		fmt.Sprintf("machine: %s, %d cores, %.0f GB; %s, Linux %s", m.Processor, m.Cores, m.MemoryGB, m.System, m.Kernel),
		fmt.Sprintf("load averages: %s before, %s after", m.LoadBefore, m.LoadAfter),
		"versions: " + strings.Join(m.Versions, ", "),
		"built from: " + m.Commit,
	}
}
