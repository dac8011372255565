package loki

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"obs/sources"
)

const (
	// overlap is how far behind the newest record a tail looks again after its connection
	// broke: senders gather records for some seconds, and each has its own delay (the
	// OpenTelemetry SDK exports once a second or after 30 s at most).
	overlap = time.Minute
	// maxRecent bounds how many records are remembered, at some 50 bytes each. Where more
	// come in a minute, the overlap is shorter.
	maxRecent = 50_000
)

// recent remembers the records of a tail that were handed over last, so that none is
// handed over twice, and from which time on it remembers all of them.
type recent struct {
	begin  time.Time // where the tail began
	newest time.Time // time of the newest record, though not later than when it came
	forgot time.Time // before this, records were forgotten for lack of room
	held   time.Time // until heldTo, records from here on are remembered, however old they are
	heldTo time.Time
	most   int
	seed   maphash.Seed
	known  map[uint64]struct{}
	order  []remembered // as they came
}

type remembered struct {
	key  uint64
	time time.Time
}

func newRecent(begin time.Time) *recent {
	return &recent{begin: begin, most: maxRecent, seed: maphash.MakeSeed(), known: map[uint64]struct{}{}}
}

// add tells whether the record has not been there yet, as far as is known.
func (r *recent) add(record sources.Record, now time.Time) bool {
	key := r.key(record)
	if _, ok := r.known[key]; ok {
		return false
	}
	r.known[key] = struct{}{}
	r.order = append(r.order, remembered{key, record.Time})
	// A sender whose clock is ahead must not make the tail skip the records of others.
	if at := earlier(record.Time, now); at.After(r.newest) {
		r.newest = at
	}
	r.forget(now)
	return true
}

// hold keeps all records from a moment on in memory for a while, since the server is about to
// send the last of them again.
func (r *recent) hold(from, until time.Time) { r.held, r.heldTo = from, until }

func (r *recent) forget(now time.Time) {
	wanted := r.newest.Add(-overlap)
	if now.Before(r.heldTo) {
		wanted = earlier(wanted, r.held)
	}
	for len(r.order) > 0 {
		oldest := r.order[0]
		full := len(r.order) > r.most
		if !full && !oldest.time.Before(wanted) {
			return
		}
		if full {
			r.forgot = later(r.forgot, earlier(oldest.time, r.newest).Add(1))
		}
		delete(r.known, oldest.key)
		r.order = r.order[1:]
	}
}

// resume is the time from which to read again: all records since then that were handed
// over are remembered. It lies before the beginning only where every record did, as with
// a clock that differs from the server's.
func (r *recent) resume() time.Time {
	if r.newest.IsZero() {
		return r.begin
	}
	first := earlier(r.begin, r.newest)
	return later(first, later(r.forgot, r.newest.Add(-overlap)))
}

// key stands for all that a record is. The labels of the stream and those of the record
// count as one set, since servers differ in which is which. The seed is chance, so that
// no text can be made to look like another.
func (r *recent) key(record sources.Record) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	number := func(n int64) { _, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n))) }
	text := func(s string) {
		number(int64(len(s)))
		_, _ = h.WriteString(s)
	}
	labels := make(sources.Labels, len(record.Stream)+len(record.Metadata))
	maps.Copy(labels, record.Stream)
	maps.Copy(labels, record.Metadata)
	number(record.Time.UnixNano())
	text(record.Line)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		text(name)
		text(labels[name])
	}
	return h.Sum64()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
