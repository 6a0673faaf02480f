package store

import "strings"

// slots is how many a Cluster has.
const slots = 1 << 14

// slot is where a Cluster keeps a name: by its tag in braces if it has one
// that is not empty, else by all of it.
func slot(name string) uint16 {
	if open := strings.IndexByte(name, '{'); open >= 0 {
		if length := strings.IndexByte(name[open+1:], '}'); length > 0 {
			name = name[open+1 : open+1+length]
		}
	}
	return crc16(name) % slots
}

// crc16 is CRC-16/XMODEM, as the Cluster specification demands.
func crc16(s string) (sum uint16) {
	for i := range len(s) {
		sum ^= uint16(s[i]) << 8
		for range 8 {
			high := sum&(1<<15) != 0
			sum <<= 1
			if high {
				sum ^= 0x1021
			}
		}
	}
	return sum
}
