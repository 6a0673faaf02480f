//go:build !linux

package main

import "os"

// ownProgram is the program that runs.
func ownProgram() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}
