package main

// ownProgram is the program that runs, even when another has taken its place on
// the disk.
func ownProgram() string { return "/proc/self/exe" }
