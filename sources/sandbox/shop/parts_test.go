package shop

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestClockRunsInOrder(t *testing.T) {
	var c clock
	var got []int
	note := func(n int) func() { return func() { got = append(got, n) } }
	c.at(30, note(3))
	c.at(10, note(1))
	c.at(30, note(4)) // planned later for the same time
	c.at(20, func() {
		note(2)()
		c.at(5, note(20)) // in the past: now
	})
	c.at(40, note(5))
	if err := c.run(context.Background(), 40); err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 2, 20, 3, 4}; !slices.Equal(got, want) || c.now != 40 {
		t.Errorf("ran %v until %d", got, c.now)
	}
}

func TestPoolServesInOrder(t *testing.T) {
	var c clock
	p := &pool{clock: &c, size: 1}
	var got []string
	ask := func(name string, limit time.Duration) {
		p.acquire(limit, func(waited time.Duration, ok bool) {
			if !ok {
				name += " gave up"
			}
			got = append(got, name+" after "+waited.String())
		})
	}
	ask("first", time.Second)
	ask("second", time.Second)
	ask("hasty", time.Millisecond)
	ask("third", time.Second)
	c.after(500*time.Millisecond, p.release)
	c.after(600*time.Millisecond, p.release)
	c.after(700*time.Millisecond, p.release)
	_ = c.run(context.Background(), moment(time.Hour))
	want := []string{"first after 0s", "hasty gave up after 1ms", "second after 500ms", "third after 600ms"}
	if !slices.Equal(got, want) || p.used != 0 || p.waiting != 0 || p.timeouts != 1 || !p.dry {
		t.Errorf("got %q, %+v", got, p)
	}
}

func TestCacheDropsTheLeastRecentlyUsed(t *testing.T) {
	c := newCache(2)
	c.put(1)
	c.put(2)
	c.get(1, 1)
	c.put(3)
	if c.get(2, 1) || !c.get(1, 1) || !c.get(3, 1) || c.hits != 3 || c.misses != 1 {
		t.Errorf("%+v", c)
	}
	c.expire(1)
	if c.get(1, 1) {
		t.Error("an expired key is held")
	}
	c.restart(1)
	if c.get(3, 1) || len(c.held) != 0 {
		t.Error("a key survived the restart")
	}
}

func TestBreaker(t *testing.T) {
	var none *breaker
	if !none.allows(0) || none.note(0, false) {
		t.Error("no breaker breaks")
	}
	b := &breaker{}
	for i := range breakerFailures {
		if opened := b.note(0, false); opened != (i == breakerFailures-1) || (!b.allows(0) && !b.opened) {
			t.Errorf("failure %d: %+v", i, b)
		}
	}
	later := moment(breakerPause)
	if b.allows(later-1) || !b.allows(later) || b.allows(later) {
		t.Error("not one probe for each pause")
	}
	b.note(later, true)
	if !b.allows(later) {
		t.Error("it stays open after an answer")
	}
}

func TestGarbageCollection(t *testing.T) {
	p := &pod{service: &service{language: "java", heap: 0.2e9, limit: 2e9}}
	pause, period := p.gc()
	p.hoarded = 1.6e9
	longer, sooner := p.gc()
	if longer <= pause || sooner >= period {
		t.Errorf("a fuller heap: %v each %v, after %v each %v", longer, sooner, pause, period)
	}
	if p.gcWait(0) != longer || p.gcWait(moment(longer)) != 0 {
		t.Error("the wait is not what is left of the pause")
	}
	p.hoarded = 1e12
	if pause, period := p.gc(); pause <= 0 || period <= pause {
		t.Errorf("a full heap: %v each %v", pause, period)
	}
}

func TestLines(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 123e6, time.UTC)
	fields := []field{text("error", `a "b"`+"\n"), number("n", 1.5), text("word", "x")}
	for _, test := range []struct{ got, want string }{
		{string(appendJSONLine(nil, at, levelWarn, "m", fields)),
			`{"time":"2026-11-21T12:00:00.123Z","level":"warn","msg":"m","error":"a \"b\"\n","n":1.5,"word":"x"}`},
		{string(appendLogfmtLine(nil, at, levelWarn, "m", fields)),
			`ts=2026-11-21T12:00:00.123Z level=warn msg="m" error="a \"b\"\n" n=1.5 word=x`},
		{string(appendTextLine(nil, at, levelWarn, "m", "shipping", "0a", "0b", fields[1:])),
			`2026-11-21 12:00:00.123 WARN  [shipping,0a,0b] m: n 1.5, word x`},
	} {
		if test.got != test.want {
			t.Errorf("got  %s\nwant %s", test.got, test.want)
		}
	}
}
