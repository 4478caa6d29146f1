// Package sqlite keeps what package registrar promises in an SQLite file, so that a restart
// loses no binding:
//
//	store, err := sqlite.Open("registrar.db")
//	...
//	defer store.Close()
//	srv, err := registrar.New(conn, registrar.Config{Store: store})
//
// A change is on the disk before Save returns: the journal is a write-ahead log that is
// synchronised at each commit. So a kill, and a loss of power if the disk tells the truth,
// takes nothing that got its 200. Each change costs a synchronisation, one at a time.
//
// A file belongs to one server at a time. A file of another program, of a later version, or
// that is damaged is refused and left as it is.
//
// It is a package of its own so that only who uses it links SQLite (modernc.org/sqlite, in Go).
package sqlite
