package tui

import (
	"fmt"
	"slices"
	"strings"
)

// action is something that a person can ask the program to do.
type action string

// The actions.
const (
	actUp, actDown, actPageUp, actPageDown, actTop, actBottom = action("up"), action("down"), action("page up"), action("page down"), action("top"), action("bottom")
	actLeft, actRight                                         = action("left"), action("right")

	actOnward, actBack, actQuit   = action("onward"), action("back"), action("quit")
	actHelp, actPalette           = action("help"), action("palette")
	actFilter                     = action("filter")
	actTime, actRefresh, actWatch = action("time"), action("refresh"), action("watch")
	actCopy, actCopyQuery         = action("copy"), action("copy query")
	actPage, actExport, actQuery  = action("page"), action("export"), action("query")
	actCase, actMouse             = action("case"), action("mouse")

	actServices, actEndpoints, actInstances, actAlerts = action("services"), action("endpoints"), action("instances"), action("alerts")

	actSplit, actBand, actTraces, actLogs = action("split"), action("band"), action("traces"), action("logs")

	actNextError, actNextCritical, actLongest = action("next error"), action("next critical"), action("longest")
	actFold, actFoldAll, actRecords           = action("fold"), action("fold all"), action("records")
	actCompare, actDifference                 = action("compare"), action("difference")
	actBlamed, actStory, actOthers            = action("blamed"), action("story"), action("other traces")
	actNextMatch, actPreviousMatch            = action("next match"), action("previous match")

	actContext, actFollow, actPatterns = action("context"), action("follow"), action("patterns")
)

// place is a kind of screen.
type place string

// The screens.
const (
	onOverview place = "overview"
	onMetric   place = "metric"
	onTraces   place = "traces"
	onTrace    place = "trace"
	onStory    place = "story"
	onLogs     place = "logs"
	onCase     place = "case"
)

// places are the screens in the order of the walk.
var places = []place{onOverview, onMetric, onTraces, onTrace, onStory, onLogs, onCase}

// binding ties keys to an action.
type binding struct {
	act  action
	keys []string // as Bubble Tea names them
	name string   // a word or two for the footer
	help string   // what it does, in a sentence without its stop
	on   []place  // everywhere when empty
	foot bool     // it stands in the footer
}

// keyMap is all keys: what Update dispatches by, what the footer and the help show, and
// what docs/keys.md lists.
var keyMap = []binding{
	{act: actOnward, keys: []string{"enter"}, name: "onward", help: "go on to what is selected: the next step of the walk", foot: true},
	{act: actBack, keys: []string{"esc", "backspace"}, name: "back", help: "go back to where you came from; leave a prompt; drop a filter", foot: true},

	{act: actServices, keys: []string{"s"}, name: "services", help: "a row for each service", on: []place{onOverview}},
	{act: actEndpoints, keys: []string{"E"}, name: "endpoints", help: "a row for each endpoint", on: []place{onOverview}, foot: true},
	{act: actInstances, keys: []string{"i"}, name: "infra", help: "a row for each instance, by what it uses", on: []place{onOverview}, foot: true},
	{act: actAlerts, keys: []string{"a"}, name: "alerts", help: "the alerts that fire, and back", on: []place{onOverview}, foot: true},

	{act: actLeft, keys: []string{"left", "h"}, name: "earlier", help: "the exemplar before", on: []place{onMetric}},
	{act: actRight, keys: []string{"right", "l"}, name: "later", help: "the exemplar after", on: []place{onMetric}},
	{act: actSplit, keys: []string{"s"}, name: "split", help: "split the series by the next label: version, instance, zone, tenant", on: []place{onMetric}, foot: true},
	{act: actBand, keys: []string{"b"}, name: "band", help: "show or hide the band of what is usual", on: []place{onMetric}},
	{act: actTraces, keys: []string{"T"}, name: "traces", help: "the slow traces beside normal ones", on: []place{onMetric}, foot: true},
	{act: actLogs, keys: []string{"L"}, name: "logs", help: "the log records of the service in the window", on: []place{onOverview, onMetric, onTraces, onTrace}, foot: true},

	{act: actNextCritical, keys: []string{"n"}, name: "critical", help: "the next span on the critical path; the next match of a search", on: []place{onTrace}, foot: true},
	{act: actPreviousMatch, keys: []string{"N"}, name: "previous", help: "the span before it on the critical path; the match before", on: []place{onTrace}},
	{act: actNextError, keys: []string{"x"}, name: "error", help: "the next span that failed", on: []place{onTrace}, foot: true},
	{act: actLongest, keys: []string{"l"}, name: "longest", help: "the span with the longest time of its own, then the next longest", on: []place{onTrace}},
	{act: actBlamed, keys: []string{"b"}, name: "to blame", help: "the span to blame: where the error began, or where the time went", on: []place{onTrace}},
	{act: actStory, keys: []string{"s"}, name: "story", help: "the story of the request: where its error began, how often others fail so, and what it did before", on: []place{onTrace}, foot: true},
	{act: actOthers, keys: []string{"T"}, name: "other traces", help: "the other traces of the same request: tried again, or linked", on: []place{onTrace}},
	{act: actFold, keys: []string{"z", "space"}, name: "fold", help: "fold the spans beneath this one, or unfold them", on: []place{onTrace}, foot: true},
	{act: actFoldAll, keys: []string{"Z"}, name: "fold all", help: "fold everything off the critical path, or unfold all", on: []place{onTrace}},
	{act: actRecords, keys: []string{"R"}, name: "records", help: "show or hide log records beneath their spans", on: []place{onTrace}},
	{act: actDifference, keys: []string{"d"}, name: "compare", help: "what it does otherwise than normal traces of the same request", on: []place{onTrace}, foot: true},
	{act: actCompare, keys: []string{"C"}, name: "compared", help: "the traces that it is compared with", on: []place{onTrace}},

	{act: actNextError, keys: []string{"x", "n"}, name: "next failure", help: "the next moment at which something failed", on: []place{onStory}, foot: true},
	{act: actFold, keys: []string{"z", "space"}, name: "stack", help: "unfold the whole stack of the exception, or fold it", on: []place{onStory}, foot: true},

	{act: actNextError, keys: []string{"n"}, name: "next error", help: "the next error or warning", on: []place{onLogs}, foot: true},
	{act: actLeft, keys: []string{"left", "h"}, name: "left", help: "scroll long lines back", on: []place{onLogs}},
	{act: actRight, keys: []string{"right", "l"}, name: "right", help: "scroll long lines to their end", on: []place{onLogs}},
	{act: actPatterns, keys: []string{"P"}, name: "patterns", help: "the templates of the lines with their counts now and before, or the lines", on: []place{onLogs}, foot: true},
	{act: actContext, keys: []string{"x"}, name: "context", help: "the lines around this one in its own stream; esc comes back", on: []place{onLogs}, foot: true},
	{act: actFollow, keys: []string{"f"}, name: "follow", help: "follow the log live, or stop", on: []place{onLogs}, foot: true},

	{act: actFilter, keys: []string{"/"}, name: "filter", help: "show only what holds a text; in a trace, search for it", foot: true},
	{act: actTime, keys: []string{"t"}, name: "time", help: "look at another time: 30m, or FROM TO", foot: true},
	{act: actCase, keys: []string{"c"}, name: "case", help: "all that was found: suspects, evidence, queries, what is missing", foot: true},
	{act: actQuery, keys: []string{"p"}, name: "query", help: "the query behind what is selected, whole"},
	{act: actCopy, keys: []string{"y"}, name: "copy", help: "copy what is selected: the ID, or the line", foot: true},
	{act: actCopyQuery, keys: []string{"Y"}, name: "copy query", help: "copy the query behind what is selected"},
	{act: actPage, keys: []string{"o"}, name: "open", help: "open what is selected in the backend's own page"},
	{act: actExport, keys: []string{"e"}, name: "export", help: "write the case to a file in the working directory"},
	{act: actRefresh, keys: []string{"r"}, name: "refresh", help: "ask again what this screen shows"},
	{act: actWatch, keys: []string{"w"}, name: "watch", help: "ask again every minute and say how it goes, or stop"},
	{act: actMouse, keys: []string{"m"}, name: "mouse", help: "let go of the mouse, so that the terminal selects text, or take it back"},
	{act: actPalette, keys: []string{":"}, name: "command", help: "type a command, with completion by tab", foot: true},
	{act: actHelp, keys: []string{"?", "f1"}, name: "help", help: "the keys of this screen", foot: true},

	{act: actUp, keys: []string{"up", "k"}, name: "up", help: "one up"},
	{act: actDown, keys: []string{"down", "j"}, name: "down", help: "one down"},
	{act: actPageUp, keys: []string{"pgup", "ctrl+u", "ctrl+b"}, name: "page up", help: "a page up"},
	{act: actPageDown, keys: []string{"pgdown", "ctrl+d", "ctrl+f"}, name: "page down", help: "a page down"},
	{act: actTop, keys: []string{"home", "g"}, name: "top", help: "to the top"},
	{act: actBottom, keys: []string{"end", "G"}, name: "bottom", help: "to the bottom"},
	{act: actQuit, keys: []string{"q", "ctrl+c"}, name: "quit", help: "leave obs", foot: true},
}

// at is the binding of a key on a screen: one of the screen's own before a general one.
func at(key string, on place) *binding {
	var general *binding
	for i := range keyMap {
		b := &keyMap[i]
		switch {
		case !slices.Contains(b.keys, key):
		case slices.Contains(b.on, on):
			return b
		case len(b.on) == 0:
			general = b
		}
	}
	return general
}

// elsewhere are the screens on which a key does something, for one that does nothing here.
func elsewhere(key string) []string {
	var names []string
	for i := range keyMap {
		if slices.Contains(keyMap[i].keys, key) {
			for _, p := range keyMap[i].on {
				names = append(names, string(p))
			}
		}
	}
	return names
}

// bindingsOn are the keys of a screen, its own ones first.
func bindingsOn(on place) []*binding {
	var own, general []*binding
	for i := range keyMap {
		b := &keyMap[i]
		switch {
		case slices.Contains(b.on, on):
			own = append(own, b)
		case len(b.on) == 0 && at(b.keys[0], on) == b:
			general = append(general, b)
		}
	}
	return append(own, general...)
}

// footKeys are those that a footer shows: how to go on and back, what the screen can do,
// and then the rest.
func footKeys(on place) []*binding {
	all := slices.DeleteFunc(bindingsOn(on), func(b *binding) bool { return !b.foot })
	slices.SortStableFunc(all, func(a, b *binding) int { return footRank(a) - footRank(b) })
	return all
}

func footRank(b *binding) int {
	switch {
	case b.act == actOnward, b.act == actBack:
		return 0
	case len(b.on) > 0:
		return 1
	}
	return 2
}

// kept has room in the footer before all others: who knows how to get help can find the
// rest.
const kept = actHelp

// shownKeys are the keys of a binding as people write them.
func (b *binding) shownKeys() string {
	shown := make([]string, len(b.keys))
	for i, key := range b.keys {
		shown[i] = shownKey(key)
	}
	return strings.Join(shown, " ")
}

func shownKey(key string) string {
	switch key {
	case "enter":
		return "↵"
	case "up":
		return "↑"
	case "down":
		return "↓"
	case "left":
		return "←"
	case "right":
		return "→"
	}
	return key
}

// documentation lists all keys as Markdown.
func documentation() string {
	var b strings.Builder
	b.WriteString("# Keys\n\nWritten from the program's own key map by `make keys`.\n\n## Everywhere\n\n")
	section := func(all []*binding) {
		b.WriteString("| key | does |\n|---|---|\n")
		for _, k := range all {
			keys := make([]string, len(k.keys))
			for i, key := range k.keys {
				keys[i] = "`" + shownKey(key) + "`"
			}
			fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(keys, " "), k.help)
		}
	}
	var general []*binding
	for i := range keyMap {
		if len(keyMap[i].on) == 0 {
			general = append(general, &keyMap[i])
		}
	}
	section(general)
	for _, p := range places {
		var own []*binding
		for i := range keyMap {
			if slices.Contains(keyMap[i].on, p) {
				own = append(own, &keyMap[i])
			}
		}
		if len(own) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n", strings.ToUpper(string(p[:1]))+string(p[1:]))
			section(own)
		}
	}
	return b.String()
}
