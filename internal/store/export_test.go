package store

// RedisURL is what the parser makes of a redis URL, for tests.
func RedisURL(rawURL string) (address, user, password string, database int, tls bool, err error) {
	e, err := parseRedisURL(rawURL)
	return e.address, e.user, e.password, e.database, e.tls != nil, err
}

// Unpack is unpack, for tests.
var Unpack = unpack

// Pack is pack, for tests.
var Pack = pack
