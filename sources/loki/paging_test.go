package loki_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"obs/sources"
)

type refusal struct {
	status int
	text   string
}

// store pages as Loki does: the records nearest to the end where the reading begins,
// of the half-open window, up to a limit that it bounds. Among records of one
// nanosecond it keeps no order, so that nothing can rely on one.
type store struct {
	t       *testing.T
	times   []int64 // nanoseconds into the window; record i is the line "i"
	most    int     // max_entries_limit_per_query
	order   *rand.Rand
	fail    int             // of the questions, the one that is answered with 500
	length  func(i int) int // of record i, beside the few bytes that each has; may be nil
	lostAs  refusal         // in the place of an answer of more than 4 MiB
	asked   int
	refused int
	tooMuch int
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked++
	if s.asked == s.fail {
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	}
	number := func(name string) int64 {
		n, err := strconv.ParseInt(r.FormValue(name), 10, 64)
		if err != nil {
			s.t.Error(err)
		}
		return n
	}
	start, end, limit := number("start")-recorded.From.UnixNano(), number("end")-recorded.From.UnixNano(), int(number("limit"))
	if limit > s.most {
		s.refused++
		http.Error(w, fmt.Sprintf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", limit, s.most), http.StatusBadRequest)
		return
	}
	if start >= end || limit < 1 {
		s.t.Errorf("asked for %d records of [%d, %d)", limit, start, end)
	}
	found := s.order.Perm(len(s.times))
	found = slices.DeleteFunc(found, func(i int) bool { return s.times[i] < start || s.times[i] >= end })
	slices.SortStableFunc(found, func(a, b int) int {
		if r.FormValue("direction") == "forward" {
			return cmp.Compare(s.times[a], s.times[b])
		}
		return cmp.Compare(s.times[b], s.times[a])
	})
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][]any           `json:"values"`
	}
	streams := make([]stream, 3)
	for i := range streams {
		streams[i].Stream = map[string]string{"stream": strconv.Itoa(i)}
	}
	for _, i := range found[:min(limit, len(found))] {
		one := &streams[i%len(streams)]
		metadata := map[string]string{"half": strconv.Itoa(i % 2)}
		if s.length != nil {
			metadata["long"] = strings.Repeat("x", s.length(i))
		}
		one.Values = append(one.Values, []any{
			strconv.FormatInt(recorded.From.UnixNano()+s.times[i], 10), strconv.Itoa(i),
			map[string]any{"structuredMetadata": metadata},
		})
	}
	streams = slices.DeleteFunc(streams, func(s stream) bool { return s.Values == nil })
	answer := map[string]any{"status": "success", "data": map[string]any{"resultType": "streams", "result": streams}}
	body, err := json.Marshal(answer)
	if err != nil {
		s.t.Error(err)
	}
	if len(body) > 4<<20 {
		s.tooMuch++
		http.Error(w, s.lostAs.text, s.lostAs.status)
		return
	}
	if _, err := w.Write(body); err != nil {
		s.t.Error(err)
	}
}

// read reads from the store and checks what holds of every answer without an error:
// the right number of records of the right times, in order, none of them twice.
func (s *store) read(w sources.Window, limit int, forward bool) sources.RecordAnswer {
	s.t.Helper()
	s.asked, s.refused, s.tooMuch = 0, 0, 0
	client, ledger := open(s.t, s)
	answer, err := client.Records(s.t.Context(), lines, w, limit, forward)
	if err != nil {
		s.t.Fatal(err)
	}
	var last time.Time
	seen := map[string]bool{}
	for i, record := range answer.Records {
		line, _ := strconv.Atoi(record.Line)
		if seen[record.Line] || !w.Contains(record.Time) || record.Time.Sub(recorded.From) != time.Duration(s.times[line]) ||
			record.Stream["stream"] != strconv.Itoa(line%3) || record.Metadata["half"] != strconv.Itoa(line%2) {
			s.t.Fatalf("record %d is wrong or there twice: %+v", i, record)
		}
		if i > 0 && (record.Time.Before(last) && forward || record.Time.After(last) && !forward) {
			s.t.Fatalf("record %d is out of order", i)
		}
		last, seen[record.Line] = record.Time, true
	}
	if len(answer.Records) > limit {
		s.t.Fatalf("%d records, where the limit is %d", len(answer.Records), limit)
	}
	if listed := len(ledger.Queries()); listed != s.asked {
		s.t.Errorf("the ledger lists %d of %d questions", listed, s.asked)
	}
	if s.refused > 1 {
		s.t.Errorf("the limit was exceeded %d times", s.refused)
	}
	return answer
}

// inWindow counts the records that the store has in w.
func (s *store) inWindow(w sources.Window) (n int) {
	for _, t := range s.times {
		if w.Contains(recorded.From.Add(time.Duration(t))) {
			n++
		}
	}
	return n
}

func TestPagingFindsEveryRecordOnce(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		most := 2 + random.IntN(9)
		s := &store{t: t, most: most, order: random}
		moments := int64(1 + random.IntN(30))
		count := map[int64]int{}
		for range random.IntN(100) {
			// No nanosecond may hold as many records as a page.
			if at := random.Int64N(moments); count[at] < most-1 {
				count[at]++
				s.times = append(s.times, at)
			}
		}
		w := window(recorded.From.Add(time.Duration(random.Int64N(3))), time.Duration(1+random.Int64N(moments)))
		total := s.inWindow(w)
		for _, limit := range []int{0, 1, total - 1, total, total + 1, most, random.IntN(2*total + 2)} {
			limit = max(limit, 0)
			for _, forward := range []bool{true, false} {
				answer := s.read(w, limit, forward)
				if len(answer.Records) != min(limit, total) || answer.Truncated != (total > limit) || answer.Warnings != nil {
					t.Fatalf("seed %d: limit %d of %d, page %d, forward %t: %d records, truncated %t, warnings %q",
						seed, limit, total, most, forward, len(answer.Records), answer.Truncated, answer.Warnings)
				}
			}
		}
	}
}

func TestPagingBesideCrowdedNanoseconds(t *testing.T) {
	crowd := func(at int64, n int) []int64 { return slices.Repeat([]int64{at}, n) }
	for _, test := range []struct {
		name    string
		times   []int64
		limit   int
		records int
		warning string
	}{
		{"fewer than a page", slices.Concat([]int64{1, 2}, crowd(3, 4), []int64{4}), 100, 7, ""},
		{"more than a page", slices.Concat([]int64{1, 2}, crowd(3, 12), []int64{4, 5}), 100, 2 + 5 + 2, "5 or more records share the time 2026-01-01T00:00:00.000000003Z"},
		{"more than a page, alone", crowd(3, 12), 100, 5, "5 or more"},
		{"several", slices.Concat(crowd(3, 12), crowd(4, 5), []int64{5, 6}), 100, 5 + 5 + 2, "other such times: 1"},
		{"limit within", slices.Concat([]int64{1}, crowd(3, 12), []int64{5}), 3, 3, ""},
		{"limit behind", slices.Concat([]int64{1}, crowd(3, 12), []int64{5, 6, 7}), 8, 8, "5 or more"},
	} {
		for _, forward := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, forward %t", test.name, forward), func(t *testing.T) {
				s := &store{t: t, most: 5, times: test.times, order: rand.New(rand.NewPCG(1, 2))}
				answer := s.read(recorded, test.limit, forward)
				all := len(answer.Records) == len(test.times)
				if len(answer.Records) != test.records || answer.Truncated == all {
					t.Errorf("%d records of %d, want %d; truncated %t", len(answer.Records), len(test.times), test.records, answer.Truncated)
				}
				if warned := strings.Join(answer.Warnings, "; "); (warned == "") != (test.warning == "") || (forward && !strings.Contains(warned, test.warning)) {
					t.Errorf("warnings %q, want %q", warned, test.warning)
				}
			})
		}
	}
}

// Answers of more than 4 MiB are lost within Loki, so pages are as large as the records
// allow.
func TestPagesFitTheRecords(t *testing.T) {
	var (
		said   = refusal{http.StatusInternalServerError, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5944362 vs. 4194304)"}
		silent = refusal{http.StatusGatewayTimeout, "no answer in time"}
	)
	every := func(bytes int) func(int) int { return func(int) int { return bytes } }
	for _, test := range []struct {
		name    string
		records int
		crowd   int // of them, how many share one nanosecond
		length  func(int) int
		lostAs  refusal
		asked   int // at most
		tooMuch int
	}{
		{"short", 9000, 0, every(100), silent, 4, 0},
		{"short, many of one time", 3000, 2500, every(100), silent, 3, 0},
		{"of a usual length", 3000, 0, every(1500), silent, 4, 0},
		{"long", 1000, 0, every(10_000), silent, 7, 0},
		{"very long", 100, 0, every(45_000), said, 6, 1},
		{"longer and longer", 600, 0, func(i int) int { return 40 * i }, silent, 14, 1},
		{"longer and longer, and it says so", 600, 0, func(i int) int { return 40 * i }, said, 14, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &store{t: t, most: 5000, order: rand.New(rand.NewPCG(1, 2)), length: test.length, lostAs: test.lostAs}
			for i := range test.records {
				s.times = append(s.times, int64(max(i, test.crowd)))
			}
			answer := s.read(recorded, 10_000, true)
			if len(answer.Records) != test.records || answer.Truncated || answer.Warnings != nil {
				t.Errorf("%d records, truncated %t, warnings %q", len(answer.Records), answer.Truncated, answer.Warnings)
			}
			if s.asked > test.asked || s.tooMuch != test.tooMuch {
				t.Errorf("%d questions, of which %d for too much; want %d at most and %d", s.asked, s.tooMuch, test.asked, test.tooMuch)
			}
		})
	}
}

func TestNoAnswerInTimeIsNotPutDownToFewRecords(t *testing.T) {
	s := &store{t: t, most: 5000, times: []int64{1}, order: rand.New(rand.NewPCG(1, 2)),
		length: func(int) int { return 5 << 20 }, lostAs: refusal{http.StatusGatewayTimeout, "no answer in time"}}
	client, _ := open(t, s)
	if _, err := client.Records(t.Context(), lines, recorded, 1000, true); !errors.Is(err, sources.ErrTimeout) || s.asked != 1 {
		t.Errorf("after %d questions: %v", s.asked, err)
	}
	s.asked, s.lostAs = 0, refusal{http.StatusInternalServerError, "grpc: received message larger than max (5944362 vs. 4194304)"}
	_, err := client.Records(t.Context(), lines, recorded, 1000, true)
	mustFail(t, err, sources.ErrServer, http.StatusInternalServerError, "larger than max", "fewer records")
	if s.asked > 5 {
		t.Errorf("%d questions", s.asked)
	}
}

func TestPagesAreListedWithTheirWindows(t *testing.T) {
	s := &store{t: t, most: 5, times: []int64{10, 20, 30, 40, 50, 60, 70}, order: rand.New(rand.NewPCG(1, 2))}
	client, ledger := open(t, s)
	for range 2 {
		if _, err := client.Records(t.Context(), lines, recorded, math.MaxInt, true); err != nil {
			t.Fatal(err)
		}
	}
	type page struct {
		from    time.Duration
		records int
		status  string
	}
	var got []page
	for _, q := range ledger.Queries() {
		if q.Text != lines || q.Window.To != recorded.To {
			t.Errorf("ledger: %q in %v", q.Text, q.Window)
		}
		got = append(got, page{q.Window.From.Sub(recorded.From), q.Records, q.Status})
	}
	// The limit of the server is found out once.
	want := []page{{0, 0, sources.QueryFailed}, {0, 5, sources.QueryOK}, {50, 3, sources.QueryOK}, {0, 5, sources.QueryOK}, {50, 3, sources.QueryOK}}
	if !slices.Equal(got, want) {
		t.Errorf("pages:\n got %v\nwant %v", got, want)
	}
}

func TestRecordsBeforeAFailureAreKept(t *testing.T) {
	s := &store{t: t, most: 5, times: []int64{1, 2, 3, 4, 5, 6, 7}, order: rand.New(rand.NewPCG(1, 2)), fail: 3}
	client, _ := open(t, s)
	answer, err := client.Records(t.Context(), lines, recorded, 100, true)
	if !errors.Is(err, sources.ErrServer) || len(answer.Records) != 4 || !answer.Truncated {
		t.Errorf("%d records, truncated %t, %v", len(answer.Records), answer.Truncated, err)
	}
}

func TestPagingEndsWhateverTheServerSays(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"limits without end": func(w http.ResponseWriter, r *http.Request) {
			limit, _ := strconv.Atoi(r.FormValue("limit"))
			http.Error(w, fmt.Sprintf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", limit, limit-1), http.StatusBadRequest)
		},
		"limit of none": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "max entries limit per query exceeded, limit > max_entries_limit_per_query (5 > 0)", http.StatusBadRequest)
		},
		"limit without bound": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "max entries limit per query exceeded, limit > max_entries_limit_per_query (5 > 99999999999999999999)", http.StatusBadRequest)
		},
		"full pages of other times": func(w http.ResponseWriter, r *http.Request) {
			limit, _ := strconv.Atoi(r.FormValue("limit"))
			values := strings.Repeat(`["1","x"],`, limit)
			_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[%s]}]}}`, values[:len(values)-1])
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, ledger := open(t, handler)
			_, err := client.Records(t.Context(), lines, recorded, 100, true)
			if failure := (*sources.Error)(nil); !errors.As(err, &failure) {
				t.Errorf("got %v", err)
			}
			if n := len(ledger.Queries()); n > 2 {
				t.Errorf("%d questions", n)
			}
		})
	}
}
