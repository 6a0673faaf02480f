package store

// mirror tells one watcher what an engine has found out. It remembers nothing:
// a second copy of what the watcher holds anyway would be the greater part of
// the memory that a million records cost. After a gap all is told again, with a
// mark before it, and the watcher finds out what is no longer there.
type mirror struct {
	changed func(Record)
}

func newMirror(changed func(Record)) *mirror { return &mirror{changed: changed} }

// tell reports a record that is live.
func (m *mirror) tell(r Record) { m.changed(r) }

// gone reports that key has no record.
func (m *mirror) gone(key string) { m.changed(Record{Key: key, Deleted: true}) }

// sync tells all that list shows. What is missing there counts as deleted,
// unless lost says that the store may have forgotten it by accident. After an
// error the watcher must not hear synced before another sync has succeeded.
func (m *mirror) sync(list func(yield func(Record)) error, lost bool) error {
	m.changed(Record{Pass: true, Deleted: !lost})
	return list(m.tell)
}
