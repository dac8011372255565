package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"obs/testdata/terminal"
)

// The screen that is played on, and how long each picture stands.
const (
	walkColumns, walkRows = 120, 36
	standing              = 3500 * time.Millisecond
	longest               = time.Minute // for all of it
)

// step of the walk: what is pressed, and what then stands on the screen.
type step struct {
	keys []string
	says string // under the picture
	want []string
}

var walk = []step{
	{nil, "obs demo latency", []string{"ANOMALOUS since", "first suspect", ">✖"}},
	{[]string{"Enter"}, "↵ the metric that moved", []string{"onset", "exemplar"}},
	{[]string{"Enter"}, "↵ slow traces beside normal ones", []string{"what tells them apart"}},
	{[]string{"Enter"}, "↵ the request that shows it", []string{"traces › "}},
	{[]string{"Enter"}, "↵ its log lines", []string{"by span_id", "NOW BEFORE"}},
	{[]string{"Enter"}, "↵ unfolded", []string{"request_id: "}},
}

// play walks through an incident in a real terminal, and writes what was seen as pictures
// that follow one another.
func play(ctx context.Context, out io.Writer, command []string) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	term, err := terminal.Start(ctx, walkColumns, walkRows, append([]string{"env", "COLORTERM=truecolor"}, command...)...)
	if err != nil {
		return err
	}
	defer func() { _ = term.Close() }() //nolint:contextcheck // it closes also when the time is over
	var frames [][]string
	before := ""
	for _, s := range walk {
		if len(s.keys) > 0 {
			if err := term.Press(ctx, s.keys...); err != nil {
				return err
			}
		}
		settled := 0
		if _, err := term.Wait(ctx, func(screen string) bool {
			for _, text := range s.want {
				if !strings.Contains(screen, text) {
					return false
				}
			}
			// Twice the same: nothing is being asked for any more.
			if screen == before {
				settled++
			} else {
				settled, before = 0, screen
			}
			return settled > 15
		}); err != nil {
			return fmt.Errorf("%s: %w", s.says, err)
		}
		styled, err := term.Styled(ctx)
		if err != nil {
			return err
		}
		frames = append(frames, strings.Split(strings.TrimSuffix(styled, "\n"), "\n"))
	}
	return film(out, frames)
}

// film writes frames as one SVG that shows them in turn.
func film(out io.Writer, frames [][]string) error {
	var b strings.Builder
	width, height := walkColumns*cellWidth+2*margin, (walkRows+2)*cellHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", paper)
	total := standing * time.Duration(len(frames))
	share := 100 / float64(len(frames))
	fmt.Fprintf(&b, "<style>.f{visibility:hidden;animation:show %.1fs steps(1) infinite}@keyframes show{0%%{visibility:visible}%.3f%%{visibility:hidden}}", total.Seconds(), share)
	// Where nothing moves, as in a print or by a reader's wish, the last picture stands.
	fmt.Fprintf(&b, "@media (prefers-reduced-motion:reduce){.f{animation:none}.f:last-of-type{visibility:visible}}</style>\n")
	for i, frame := range frames {
		fmt.Fprintf(&b, `<g class="f" style="animation-delay:%.1fs">`+"\n", (standing * time.Duration(i)).Seconds())
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#7ee787">%s</text>`+"\n", margin, margin+cellHeight-4, walk[i].says)
		if err := drawScreen(&b, frame, margin+2*cellHeight); err != nil {
			return err
		}
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}
