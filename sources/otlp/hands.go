package otlp

import (
	"runtime"
	"sync"

	"obs/sources"
)

// Of a large answer most time goes into reading spans, which do not depend on one another:
// the reader parts the text between them, which takes about a quarter of that time, and
// hands read what stands there on other processors.

const (
	aloneSpans = 512      // that are read on the way: about a millisecond's worth
	handful    = 64 << 10 // bytes that a hand is given at once
	maxHands   = 8        // more wait for the one that parts
)

// hand reads spans apart from the others, with memory of its own. They have been checked as
// they were parted.
type hand struct{ reader *otlpReader }

// read is what a hand made of a handful.
type read struct {
	spans []*sources.Span
	err   error
}

// spans reads a list of spans, with room for some more attributes in each.
func (r *otlpReader) spans(room int) error {
	var group sync.WaitGroup
	var all []*read
	var filling *hand
	give := func() {
		of, into := filling, &read{}
		filling, all = nil, append(all, into)
		group.Go(func() {
			into.spans, into.err = of.read(room)
			r.hands <- of
		})
	}
	err := r.array(func() error {
		if len(r.all.Spans) < r.alone {
			span, err := r.span(room)
			r.all.Spans = append(r.all.Spans, &span)
			return err
		}
		value, err := r.decoder.ReadValue()
		if err != nil {
			return err
		}
		if filling == nil {
			filling = r.free()
		}
		text := &filling.reader.checked.text
		*text = append(append(*text, value...), '\n')
		if len(*text) >= handful {
			give()
		}
		return nil
	})
	if filling != nil {
		give()
	}
	group.Wait()
	for _, one := range all {
		if one.err != nil {
			return one.err // it stands before what ended the list
		}
		r.all.Spans = append(r.all.Spans, one.spans...)
	}
	return err
}

// free waits for a hand that has nothing to do.
func (r *otlpReader) free() *hand {
	if r.hands == nil {
		n := min(runtime.GOMAXPROCS(0)+1, maxHands) // one is filled while the others read
		r.hands = make(chan *hand, n)
		for range n {
			r.hands <- &hand{&otlpReader{scanner: &scanner{}, base64: r.base64}}
		}
	}
	return <-r.hands
}

// read reads the spans that the hand was given.
func (h *hand) read(room int) ([]*sources.Span, error) {
	given := &h.reader.checked
	defer func() { given.text, given.at = given.text[:0], 0 }()
	var spans []*sources.Span
	for given.kind() != 0 {
		span, err := h.reader.span(room)
		if err != nil {
			return spans, err
		}
		spans = append(spans, &span)
	}
	return spans, nil
}
