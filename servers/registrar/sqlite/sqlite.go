package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/natproof/natproof/servers/registrar"
)

// Why a file is refused. Open wraps them.
var (
	// ErrInUse: another server has the file.
	ErrInUse = errors.New("sqlite: in use by another server")
	// ErrForeign: no SQLite file, or one of another program.
	ErrForeign = errors.New("sqlite: not a file of this program")
	// ErrVersion: written by a later version of this program.
	ErrVersion = errors.New("sqlite: written by a later version")
	// ErrDamaged: the file contradicts itself.
	ErrDamaged = errors.New("sqlite: damaged")
)

const (
	// applicationID marks the files of this program (https://sqlite.org/pragma.html#pragma_application_id).
	applicationID = 0x6e617470 // "natp"
	version       = 1
)

// schemas[i] makes version i+1 of version i.
var schemas = [version]string{`
	CREATE TABLE record (
		kind    TEXT NOT NULL,
		key     BLOB NOT NULL,
		expires INTEGER NOT NULL, -- ns since 1970
		data    BLOB NOT NULL,
		PRIMARY KEY (kind, key)
	) WITHOUT ROWID;
	CREATE INDEX record_expires ON record (expires);`,
}

// Store is a file. It is for one server at a time.
type Store struct{ db *sql.DB }

var _ registrar.Store = (*Store)(nil)

// Open opens a file, or makes it.
func Open(file string) (*Store, error) {
	s, err := open(file)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", file, err)
	}
	return s, nil
}

func open(file string) (*Store, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // says what is wrong with the path
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	// The locking mode is set first: from the first look on the file is this connection's.
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=locking_mode(exclusive)&_pragma=busy_timeout(0)&_pragma=synchronous(full)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &Store{db}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(meaning(err), db.Close())
	}
	return s, nil
}

// prepare sees whose file it is, and brings it to this version.
func (s *Store) prepare() error {
	var tables, app, has int
	for _, q := range []struct {
		text string
		to   *int
	}{
		{"SELECT count(*) FROM sqlite_schema", &tables},
		{"PRAGMA application_id", &app},
		{"PRAGMA user_version", &has},
	} {
		if err := s.db.QueryRow(q.text).Scan(q.to); err != nil {
			return err
		}
	}
	fresh := tables == 0 && app == 0 && has == 0
	switch {
	case !fresh && app != applicationID:
		return ErrForeign
	case has > version:
		return fmt.Errorf("%w: schema %d, this one knows %d", ErrVersion, has, version)
	}
	var verdict string
	if err := s.db.QueryRow("PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, verdict)
	}
	if has == version {
		if _, err := s.db.Exec("SELECT kind, key, expires, data FROM record LIMIT 0"); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	var mode string
	if err := s.db.QueryRow("PRAGMA journal_mode=WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("journal mode is %s, not wal", mode)
	}
	return s.migrate(has)
}

// migrate writes even where there is nothing to change: then the file is locked.
func (s *Store) migrate(has int) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, schema := range schemas[has:] {
		if _, err := tx.Exec(schema); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, version)); err != nil {
		return err
	}
	return tx.Commit()
}

// meaning says what an error of SQLite's means here.
func meaning(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	kind := error(nil)
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		kind = ErrInUse
	case lib.SQLITE_NOTADB:
		kind = ErrForeign
	case lib.SQLITE_CORRUPT:
		kind = ErrDamaged
	default:
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// Close gives the file back.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("sqlite: close: %w", err)
	}
	return nil
}

// Load returns all records.
func (s *Store) Load() ([]registrar.Record, error) {
	rows, err := s.db.Query("SELECT kind, key, expires, data FROM record ORDER BY kind, key")
	if err != nil {
		return nil, fmt.Errorf("sqlite: load: %w", meaning(err))
	}
	defer rows.Close()
	var records []registrar.Record
	for rows.Next() {
		var r registrar.Record
		var key []byte
		var expires int64
		if err := rows.Scan(&r.Kind, &key, &expires, &r.Data); err != nil {
			return nil, fmt.Errorf("sqlite: load: %w", meaning(err))
		}
		r.Key, r.Expires = string(key), time.Unix(0, expires)
		records = append(records, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqlite: load: %w", meaning(err))
	}
	return records, nil
}

// Save makes changes durable.
func (s *Store) Save(c registrar.Changes) error {
	if err := s.saveAll(c); err != nil {
		return fmt.Errorf("sqlite: save: %w", meaning(err))
	}
	return nil
}

func (s *Store) saveAll(c registrar.Changes) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, r := range c.Delete {
		if _, err := tx.Exec("DELETE FROM record WHERE kind = ? AND key = ?", r.Kind, []byte(r.Key)); err != nil {
			return err
		}
	}
	for _, r := range c.Put {
		if _, err := tx.Exec("REPLACE INTO record (kind, key, expires, data) VALUES (?, ?, ?, ?)",
			r.Kind, []byte(r.Key), r.Expires.UnixNano(), r.Data); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("DELETE FROM record WHERE expires <= ?", c.Now.UnixNano()); err != nil {
		return err
	}
	return tx.Commit()
}
