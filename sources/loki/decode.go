package loki

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"obs/sources"
)

var (
	errNotJSON  = errors.New("not JSON")
	errNotLines = errors.New("this query counts or measures, where one that selects log lines is wanted")
)

// decodeRecords reads an answer of streams, in its order:
//
//	{"status":"success","data":{"resultType":"streams","result":[
//	  {"stream":{"name":"value"},"values":[
//	    ["nanoseconds","line",{"structuredMetadata":{"name":"value"},"parsed":{…}}]]}]}}
//
// The third element of a value is there only for those who ask for it.
//
// A page has thousands of records, for which encoding/json takes twice the time and ten
// times the allocations. It does check the syntax and how deep it nests, so that
// nothing but sound JSON reaches the faster reader. No record keeps the page in memory.
func decodeRecords(body []byte, sets labelSets) (records []sources.Record, warnings []string, err error) {
	if !json.Valid(body) {
		return nil, nil, errNotJSON
	}
	answer := gjson.ParseBytes(body)
	if status := answer.Get("status"); status.Str != "success" {
		return nil, nil, fmt.Errorf("the status is %.50q", status.Raw)
	}
	switch kind := answer.Get("data.resultType"); kind.Str {
	case "streams":
	case "matrix", "vector", "scalar":
		return nil, nil, errNotLines
	default:
		return nil, nil, fmt.Errorf("the result is of the type %.50q", kind.Raw)
	}
	if records, err = decodeStreamed(answer.Get("data.result"), sets); err != nil {
		return nil, nil, err
	}
	for _, warning := range answer.Get("warnings").Array() {
		warnings = append(warnings, sources.Printable(warning.String()))
	}
	return records, warnings, nil
}

// decodeStreamed reads a list of streams, as the result of a query and the frames of a
// tail have it.
func decodeStreamed(streams gjson.Result, sets labelSets) (records []sources.Record, err error) {
	err = each(streams, func(stream gjson.Result) error {
		labels, err := sets.decode(stream.Get("stream"))
		if err != nil {
			return err
		}
		return each(stream.Get("values"), func(value gjson.Result) error {
			record, err := decodeRecord(value, sets)
			record.Stream = labels
			records = append(records, record)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}

func decodeRecord(value gjson.Result, sets labelSets) (record sources.Record, err error) {
	n := 0
	err = each(value, func(element gjson.Result) error {
		n++
		switch n {
		case 1:
			nanoseconds, err := strconv.ParseInt(element.Str, 10, 64)
			record.Time = time.Unix(0, nanoseconds).UTC()
			return err
		case 2:
			if element.Type != gjson.String {
				return fmt.Errorf("%.50q is not a line", element.Raw)
			}
			record.Line = strings.Clone(element.Str)
		case 3:
			metadata := element.Get("structuredMetadata")
			if !metadata.Exists() {
				return nil
			}
			record.Metadata, err = sets.decode(metadata)
			return err
		}
		return nil
	})
	if err == nil && n < 2 {
		err = fmt.Errorf("%.50q is not a record", value.Raw)
	}
	return record, err
}

// each calls do with every element of an array, until one fails. A null is an empty one.
func each(array gjson.Result, do func(gjson.Result) error) error {
	if array.Raw == "null" {
		return nil
	}
	if !array.IsArray() {
		return fmt.Errorf("%.50q is not a list", array.Raw)
	}
	var err error
	array.ForEach(func(_, element gjson.Result) bool {
		err = do(element)
		return err == nil
	})
	return err
}

// shardLabel is what Loki adds to tell apart the parts of a stream that it splits while
// much is written to it. It is nothing of the stream's own.
const shardLabel = "__stream_shard__"

// labelSets holds label sets by their JSON, so that records with the same labels share
// one map.
type labelSets map[string]sources.Labels

func (s labelSets) decode(object gjson.Result) (sources.Labels, error) {
	if known, ok := s[object.Raw]; ok {
		return known, nil
	}
	if !object.IsObject() {
		return nil, fmt.Errorf("%.50q is not a label set", object.Raw)
	}
	object = gjson.Parse(strings.Clone(object.Raw))
	labels := sources.Labels{}
	object.ForEach(func(name, value gjson.Result) bool {
		labels[name.String()] = value.String()
		return true
	})
	delete(labels, shardLabel)
	s[object.Raw] = labels
	return labels, nil
}
