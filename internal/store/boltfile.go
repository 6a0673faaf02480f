package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The file, version 1:
//
//	meta     "version" -> "1"
//	records  key -> expires (8 bytes, big endian, ms since 1970, 0: never), value
//	expiry   expires (8 bytes), key -> nothing; for each record that expires
var (
	metaBucket    = []byte("meta")
	recordsBucket = []byte("records")
	expiryBucket  = []byte("expiry")
	versionKey    = []byte("version")
	version       = []byte("1")
)

// header is the length of the expiry before each stored value.
const header = 8

// pageBytes bounds what List reads in one transaction.
const pageBytes = 1 << 20

// prepare makes the buckets of a new file and refuses a file of another kind.
func prepare(db *bolt.DB) error {
	fresh := false
	err := db.View(func(tx *bolt.Tx) error {
		if k, _ := tx.Cursor().First(); k == nil {
			fresh = true
			return nil
		}
		meta := tx.Bucket(metaBucket)
		if meta == nil || tx.Bucket(recordsBucket) == nil || tx.Bucket(expiryBucket) == nil {
			return fmt.Errorf("the file is a bbolt database of another program")
		}
		if v := meta.Get(versionKey); !bytes.Equal(v, version) {
			return fmt.Errorf("the file has version %q and this program reads %q; run the program that wrote it", v, version)
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{recordsBucket, expiryBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		return meta.Put(versionKey, version)
	})
}

// pack is the stored form of a value.
func pack(expires int64, value []byte) []byte {
	p := make([]byte, header, header+len(value))
	binary.BigEndian.PutUint64(p, uint64(expires))
	return append(p, value...)
}

// unpack reads the stored form; the record shares no memory with p.
func unpack(key string, p []byte) (Record, error) {
	if len(p) < header || len(p) > header+MaxValue {
		return Record{}, fmt.Errorf("record %q has a stored form of %d bytes, which this program did not write", key, len(p))
	}
	ms := int64(binary.BigEndian.Uint64(p))
	if ms < 0 {
		return Record{}, fmt.Errorf("record %q has a negative expiry, which this program did not write", key)
	}
	return Record{Key: key, Value: clone(p[header:]), Expires: expiry(ms)}, nil
}

// ms is Expires in the stored form.
func (r Record) ms() int64 {
	if r.Expires.IsZero() {
		return 0
	}
	return r.Expires.UnixMilli()
}

// fits says whether the record in tx is what the change expects.
func (c *change) fits(tx *bolt.Tx, now time.Time) error {
	p := tx.Bucket(recordsBucket).Get([]byte(c.key))
	if p == nil {
		if c.old != nil {
			return ErrConflict
		}
		return nil
	}
	r, err := unpack(c.key, p)
	if err != nil {
		return err
	}
	alive := live(r.ms(), now)
	if (c.old == nil) == alive || alive && !bytes.Equal(r.Value, c.old) {
		return ErrConflict
	}
	return nil
}

// apply makes the change in tx, which fits.
func (c *change) apply(tx *bolt.Tx) error {
	records, index := tx.Bucket(recordsBucket), tx.Bucket(expiryBucket)
	if p := records.Get([]byte(c.key)); len(p) >= header && binary.BigEndian.Uint64(p) != 0 {
		if err := index.Delete(indexKey(p[:header], c.key)); err != nil {
			return err
		}
	}
	if c.value == nil {
		return records.Delete([]byte(c.key))
	}
	p := pack(c.expires, c.value)
	if c.expires != 0 {
		if err := index.Put(indexKey(p[:header], c.key), nil); err != nil {
			return err
		}
	}
	return records.Put([]byte(c.key), p)
}

// indexKey is the key of the expiry bucket.
func indexKey(expires []byte, key string) []byte {
	return append(append(make([]byte, 0, header+len(key)), expires...), key...)
}

// sweep removes up to n expired records, the oldest first.
func sweep(tx *bolt.Tx, now time.Time, n int) error {
	var expired [][]byte
	cursor := tx.Bucket(expiryBucket).Cursor()
	for k, _ := cursor.First(); k != nil && len(expired) < n; k, _ = cursor.Next() {
		if len(k) > header && live(int64(binary.BigEndian.Uint64(k)), now) {
			break
		}
		expired = append(expired, bytes.Clone(k))
	}
	for _, k := range expired {
		if err := tx.Bucket(expiryBucket).Delete(k); err != nil {
			return err
		}
		if len(k) <= header {
			continue
		}
		// The index goes with its record in one step, so this is the same time.
		if err := tx.Bucket(recordsBucket).Delete(k[header:]); err != nil {
			return err
		}
	}
	return nil
}

// readPage copies live records under prefix, beginning at from. next is where
// to go on, or nil at the end.
func readPage(tx *bolt.Tx, prefix string, from []byte, now time.Time) (records []Record, next []byte, err error) {
	cursor := tx.Bucket(recordsBucket).Cursor()
	seen, size := 0, 0
	for k, p := cursor.Seek(from); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, p = cursor.Next() {
		if seen++; seen > page || size > pageBytes {
			return records, bytes.Clone(k), nil
		}
		r, err := unpack(string(k), p)
		if err != nil {
			return nil, nil, err
		}
		if live(r.ms(), now) {
			records = append(records, r)
			size += len(p)
		}
	}
	return records, nil, nil
}
