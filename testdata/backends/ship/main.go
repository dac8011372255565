// Command ship carries HotROD's console log to Loki, so that the tests find the
// log lines of the very requests whose traces HotROD sent to Jaeger.
//
// It follows one file and pushes each line as a JSON object, with the labels job,
// service_name and level, and with trace_id and span_id as structured metadata.
// It keeps its place in the file, and moves on only when Loki has taken a batch:
// lines written while Loki is down arrive once it is back, and a restart of ship
// sends nothing twice unless it was killed between the answer and the note of it.
//
// It is a tool for the tests of this repository: one file, one format, one tenant.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxBatchBytes = 1 << 20 // of the file; also the longest line that is shipped
	maxBatchLines = 500

	pollInterval  = 500 * time.Millisecond
	pushTimeout   = 10 * time.Second
	firstPause    = 250 * time.Millisecond // after a failed push; doubles up to maxPause
	maxPause      = 2 * time.Second
	maxAnswerRead = 512 // of an error's body, for the log

	// zap's development encoder, in UTC or with an offset.
	timeLayout = "2006-01-02T15:04:05.000Z0700"
)

func main() {
	file := flag.String("file", "", "console log to follow; it may appear later")
	position := flag.String("position", "", "file that keeps how far the log was shipped")
	loki := flag.String("loki", "", "base URL of Loki")
	flag.Parse()
	if *file == "" || *position == "" || *loki == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}

	s := &shipper{
		file:     *file,
		position: *position,
		pushURL:  strings.TrimRight(*loki, "/") + "/loki/api/v1/push",
		// Loki is on loopback: never by way of a proxy.
		client: &http.Client{Timeout: pushTimeout, Transport: &http.Transport{}},
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := s.run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// shipper follows one file. Between two batches, offset is the start of the first
// line that Loki has not taken.
type shipper struct {
	file     string
	position string
	pushURL  string
	client   *http.Client

	offset int64
	newest int64 // time of the last entry, in Unix nanoseconds
}

// run ships until ctx ends, which is not an error.
func (s *shipper) run(ctx context.Context) error {
	if err := s.recall(); err != nil {
		return err
	}
	log.Printf("following %s from byte %d", s.file, s.offset)

	buf := make([]byte, maxBatchBytes)
	for {
		chunk, size, err := s.read(buf)
		if err != nil {
			return err
		}
		if size == 0 {
			if !pause(ctx, pollInterval) {
				return nil
			}
			continue
		}
		if streams := s.parse(chunk); len(streams) > 0 {
			if !s.deliver(ctx, streams) {
				return nil
			}
		}
		s.offset += int64(size)
		if err := s.note(); err != nil {
			return err
		}
	}
}

// recall sets the offset that note wrote, or zero where there is none yet.
func (s *shipper) recall() error {
	text, err := os.ReadFile(s.position)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the position: %w", err)
	}
	s.offset, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return fmt.Errorf("reading the position in %s: %w", s.position, err)
	}
	return nil
}

// note writes the offset in one step, so that a kill leaves the old one or the new.
func (s *shipper) note() error {
	fresh := s.position + ".new"
	if err := os.WriteFile(fresh, strconv.AppendInt(nil, s.offset, 10), 0o600); err != nil {
		return fmt.Errorf("noting the position: %w", err)
	}
	if err := os.Rename(fresh, s.position); err != nil {
		return fmt.Errorf("noting the position: %w", err)
	}
	return nil
}

// read returns the next whole lines, within the bounds of a batch, and how many
// bytes of the file are done with once they are shipped. A line that does not fit
// into buf is passed over. The file is opened anew each time, since HotROD may be
// slow to create it; one that has become shorter is read from its start.
func (s *shipper) read(buf []byte) (lines []byte, size int, err error) {
	f, err := os.Open(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the log: %w", err)
	}
	defer f.Close()

	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("reading the log: %w", err)
	}
	if info.Size() < s.offset {
		log.Printf("%s is shorter than before, reading it from its start", s.file)
		s.offset = 0
	}

	n, err := f.ReadAt(buf, s.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("reading the log: %w", err)
	}
	end := 0
	for range maxBatchLines {
		i := bytes.IndexByte(buf[end:n], '\n')
		if i < 0 {
			break
		}
		end += i + 1
	}
	if end == 0 && n == len(buf) {
		log.Printf("no end of line within %d bytes at %d, skipping them", n, s.offset)
		return nil, n, nil
	}
	return buf[:end], end, nil
}

// stream is one element of the body of Loki's push API
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs).
type stream struct {
	Labels  map[string]string `json:"stream"`
	Entries []entry           `json:"values"`
}

// entry is a JSON array: time in Unix nanoseconds as a string, line, structured metadata.
type entry [3]any

// parse turns lines into streams, keeping their order. Lines that are not of the
// console format (such as the rest of a message of several lines) are left out.
func (s *shipper) parse(chunk []byte) []*stream {
	var streams []*stream
	known := map[[2]string]*stream{}
	for raw := range bytes.Lines(chunk) {
		r, ok := parseLine(string(bytes.TrimRight(raw, "\r\n")))
		if !ok {
			continue
		}
		key := [2]string{r.service, r.level}
		if known[key] == nil {
			known[key] = &stream{Labels: map[string]string{
				"job": "hotrod", "service_name": r.service, "level": r.level,
			}}
			streams = append(streams, known[key])
		}
		// The log's clock ticks in milliseconds, and lines of one tick would come
		// back from Loki in any order: each goes at least 1 ns after the one before.
		s.newest = max(r.time.UnixNano(), s.newest+1)
		known[key].Entries = append(known[key].Entries,
			entry{strconv.FormatInt(s.newest, 10), r.line, r.metadata})
	}
	return streams
}

// record is one line of the console log.
type record struct {
	time     time.Time
	service  string
	level    string // lower case
	line     string // JSON object: ts, level, caller, msg and the fields of the call
	metadata map[string]string
}

// parseLine reads "time TAB LEVEL TAB caller TAB message [TAB {json fields}]".
func parseLine(text string) (record, bool) {
	part := strings.SplitN(text, "\t", 5)
	if len(part) < 4 {
		return record{}, false
	}
	at, err := time.Parse(timeLayout, part[0])
	if err != nil {
		return record{}, false
	}

	// Raw, so that numbers and nested values pass through as they were written.
	var fields map[string]json.RawMessage
	if len(part) == 5 && json.Unmarshal([]byte(part[4]), &fields) != nil {
		fields = map[string]json.RawMessage{"fields": quote(part[4])}
	}
	if fields == nil {
		fields = map[string]json.RawMessage{}
	}

	r := record{
		time:     at,
		service:  unquote(fields["service"]),
		level:    strings.ToLower(part[1]),
		metadata: map[string]string{},
	}
	if r.service == "" {
		r.service = "hotrod" // what the process says before its services run
	}
	for _, name := range []string{"trace_id", "span_id"} {
		// All zeros stand for "no span", as with lines from outside a request.
		if id := unquote(fields[name]); strings.Trim(id, "0") != "" {
			r.metadata[name] = id
		}
	}

	fields["ts"], fields["level"] = quote(part[0]), quote(r.level)
	fields["caller"], fields["msg"] = quote(part[2]), quote(part[3])
	line, err := encode(fields)
	if err != nil {
		return record{}, false
	}
	r.line = string(line)
	return r, true
}

// quote is s as a JSON string; bytes that are not UTF-8 become U+FFFD.
func quote(s string) json.RawMessage {
	quoted, err := encode(s)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return quoted
}

// unquote is the string that raw holds, or "" if it holds none.
func unquote(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// encode is json.Marshal without its escapes for HTML, which a log line has no use for.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// deliver pushes streams until Loki takes them, however long that may be: what is
// held meanwhile is this one batch. It gives up, and drops them, only if Loki says
// that it will never take them. It is false if ctx ended first.
func (s *shipper) deliver(ctx context.Context, streams []*stream) bool {
	body, err := encode(struct {
		Streams []*stream `json:"streams"`
	}{streams})
	if err != nil {
		log.Printf("dropping a batch: %v", err)
		return true
	}
	for wait := firstPause; ; wait = min(2*wait, maxPause) {
		err := s.push(ctx, body)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if errors.Is(err, errRefused) {
			log.Printf("dropping a batch: %v", err)
			return true
		}
		log.Printf("trying again in %s: %v", wait, err)
		if !pause(ctx, wait) {
			return false
		}
	}
}

// errRefused says that the same push would be refused again.
var errRefused = errors.New("refused")

func (s *shipper) push(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.pushURL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswerRead)) // only for the log

	switch code := resp.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 4 && code != http.StatusTooManyRequests:
		return fmt.Errorf("%w: %s: %q", errRefused, resp.Status, answer)
	default:
		return fmt.Errorf("push: %s: %q", resp.Status, answer)
	}
}

// pause waits for d, and is false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
