package otlp

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// attributes are written as they may be, the usual way and others.
var attributes = []string{
	`{"key":"n","value":{"intValue":"%d"}}`, `{"key":"n","value":{"intValue":%d}}`, `{"key":"n","value":{"stringValue":"%d"}}`,
	`{"key":"n","value":{"stringValue":"a \\ \" %d"}}`, `{"key":"n\u0041","value":{"stringValue":"ü %d"}}`, `{"key":"n","value":{"stringValue":""}}`,
	`{"key":"n","value":{"intValue":"-%d"}}`, `{"key":"n","value":{"intValue":"-0"}}`, `{"key":"n","value":{"intValue":"9223372036854775807"}}`,
	`{"key":"n","value":{"intValue":"0"}}`, `{"value":{"stringValue":"%d"},"key":"n"}`, `{"key":"n","value":{"stringValue":"x"},"more":[{"a":"}"}]}`,
	`{ "key" : "n" , "value" : { "stringValue" : "x" } }`, `{"key":"n","value":{"boolValue":true}}`, `{"key":"n","value":{"doubleValue":1.5}}`,
	`{"key":"n","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"%d"}]}}}`, `{"key":"n","value":null}`, `{"key":"n"}`, `{}`,
	`{"key":"n","value":{"string_value":"x"}}`, "{\"key\":\"n\",\"value\":{\"stringValue\":\"\xff\"}}", `{"key":"n","value":{"stringValue":"x","intValue":"%d"}}`,
}

// attribute is the next of them, with a number in it.
func attribute(i int) string {
	return strings.ReplaceAll(attributes[i%len(attributes)], "%d", strconv.Itoa(i))
}

// answer is OTLP with so many spans in each of three scopes, and what stands in place of
// one of them.
func answer(spans int, odd string) string {
	var b strings.Builder
	b.WriteString(`[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[`)
	for scope := range 3 {
		fmt.Fprintf(&b, `%s{"scope":{"name":"scope-%d"},"spans":[`, strings.Repeat(",", min(scope, 1)), scope)
		for i := range spans {
			b.WriteString(strings.Repeat(",", min(i, 1)))
			if scope == 1 && i == spans/2 && odd != "" {
				b.WriteString(odd)
				continue
			}
			fmt.Fprintf(&b, `{"traceId":"%032x","spanId":"%016x","name":"work %d","startTimeUnixNano":"%d","attributes":[%s,%s]}`,
				1+i%3, scope*spans+i+1, i%7, uint64(1e18)+uint64(i%100), attribute(i), attribute(i/7))
		}
		b.WriteString(`]}`)
	}
	return b.String() + `]}]`
}

// What hands read is what is read without them, in the same order.
func TestHands(t *testing.T) {
	for _, spans := range []int{1, 400, 3000} {
		text := answer(spans, "")
		beside, alone := NewReader(strings.NewReader(text), Hex), NewReader(strings.NewReader(text), Hex)
		alone.in.alone = math.MaxInt
		for _, r := range []*Reader{beside, alone} {
			if err := r.ResourceSpans(); err != nil {
				t.Fatal(err)
			}
		}
		if used := beside.in.hands != nil; used != (spans > 200) || alone.in.hands != nil {
			t.Errorf("%d spans: hands were used: %t", spans, used)
		}
		if len(beside.in.all.Spans) != 3*spans {
			t.Fatalf("%d spans of %d", len(beside.in.all.Spans), 3*spans)
		}
		for i, span := range beside.in.all.Spans {
			if !reflect.DeepEqual(span, alone.in.all.Spans[i]) {
				t.Fatalf("span %d is %+v, and without hands %+v", i, span, alone.in.all.Spans[i])
			}
		}
	}
}

// What is wrong with a span that a hand reads ends the answer as it does on the way.
func TestHandsFail(t *testing.T) {
	for _, odd := range []string{`{"traceId":"x"}`, `7`, `{"name":[]}`, `{"name":"x"`, `{"name":"x"}}`} {
		text := answer(3000, odd)
		beside, alone := NewReader(strings.NewReader(text), Hex), NewReader(strings.NewReader(text), Hex)
		alone.in.alone = math.MaxInt
		want := alone.ResourceSpans()
		for range 3 {
			if got := beside.ResourceSpans(); got == nil || want == nil {
				t.Fatalf("%s: %v, and without hands %v", odd, got, want)
			}
			beside = NewReader(strings.NewReader(text), Hex)
		}
	}
}
