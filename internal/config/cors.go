package config

import (
	"time"

	"github.com/wiretight/wiretight/guard"
)

func (b *builder) cors() {
	c := b.file.CORS
	if c == nil {
		return
	}
	for i, o := range c.Origins {
		b.noPassword(index("cors.origins", i), o)
	}
	if time.Duration(c.MaxAge) > 24*time.Hour {
		b.wrong("cors.max_age", "max_age is over 24h, which browsers do not heed", "write 24h or less")
	}
	b.out.Guard.CORS = &guard.CORS{
		Origins: c.Origins, Credentials: c.Credentials, Methods: c.Methods,
		RequestHeaders: c.RequestHeaders, ResponseHeaders: c.ResponseHeaders,
		MaxAge: time.Duration(c.MaxAge),
	}
}
