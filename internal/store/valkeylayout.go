package store

import (
	"strconv"
	"strings"
)

// layout is how what we keep is called in the database. Each record belongs to
// a group, which is the tag in braces: what has one tag lies in one slot of a
// Cluster, where a script may touch it in one step. Each group has a count of
// its changes. Records that somebody may watch are one group, with the log of
// their changes and the index of their keys. All others spread over the rest.
type layout struct {
	prefix  string // begins all names
	log     string
	index   string
	sweep   string
	channel string
}

// defaultPrefix begins all names unless the URL has another.
const defaultPrefix = "wiretight"

// spreadGroups is how many groups the records that nobody watches have. It
// cannot be changed without losing sight of them.
const spreadGroups = 128

// logGroup is the group of the records that may be watched.
const (
	logGroup  = spreadGroups
	allGroups = spreadGroups + 1
)

// spreadKeys are the prefixes of the records that are used up and swapped by
// the thousand, and that nobody watches: tokens and proofs that were used,
// sessions, limits of logins. They are not logged. A Watch that covers them
// lists them over and over.
var spreadKeys = []string{"once/", "proof/", "issuer/session/", "issuer/limit/"}

func newLayout(prefix string) layout {
	l := layout{prefix: prefix, channel: prefix + ":changed"}
	l.log = l.tagged(logGroup, "log")
	l.index, l.sweep = l.tagged(logGroup, "index"), l.tagged(logGroup, "sweep")
	return l
}

// tagged is a name in a group.
func (l *layout) tagged(group int, name string) string {
	tag := l.prefix
	if group != logGroup {
		tag = strconv.Itoa(group)
	}
	return l.prefix + ":{" + tag + "}:" + name
}

// records stands before the keys of a group's records.
func (l *layout) records(group int) string { return l.tagged(group, "r:") }

// record is where a record lies.
func (l *layout) record(key string) string { return l.records(group(key)) + key }

// count is where a group's count lies.
func (l *layout) count(group int) string { return l.tagged(group, "count") }

// key is the key of a spread record's name.
func (l *layout) key(name string) (key string, ok bool) {
	_, key, ok = strings.Cut(name, "}:r:")
	return key, ok && spread(key) && l.record(key) == name
}

func group(key string) int {
	if spread(key) {
		return int(crc16(key)) % spreadGroups
	}
	return logGroup
}

// Spreads says whether a Valkey spreads the records of this name and does not
// log them. Whatever is written by each request should have such a name, and
// nothing that is watched.
func Spreads(key string) bool { return spread(key) }

// spread says whether a record is not logged.
func spread(key string) bool {
	for _, p := range spreadKeys {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// covers says which kinds of records may lie under prefix.
func covers(prefix string) (watched, spreads bool) {
	if spread(prefix) {
		return false, true
	}
	for _, p := range spreadKeys {
		if strings.HasPrefix(p, prefix) {
			return true, true
		}
	}
	return true, false
}
