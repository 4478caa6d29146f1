package phones

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxNetstring is more than any message of the control socket has.
const maxNetstring = 1 << 20

var errNetstring = errors.New("phones: not a netstring")

// readNetstring reads one: its length in digits, a colon, that many bytes, and a comma.
func readNetstring(r *bufio.Reader) ([]byte, error) {
	digits, err := r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(digits[:len(digits)-1], 10, 32)
	if err != nil || n > maxNetstring {
		return nil, fmt.Errorf("%w: length %q", errNetstring, digits)
	}
	b := make([]byte, n+1)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	if b[n] != ',' {
		return nil, fmt.Errorf("%w: it ends with %q", errNetstring, b[n])
	}
	return b[:n], nil
}

// writeNetstring writes a value in JSON as one.
func writeNetstring(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(w, "%d:%s,", len(b), b)
	}
	return err
}
