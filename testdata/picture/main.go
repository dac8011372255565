// Command picture draws SVGs for the README, from real runs: of text on standard input,
// which a command printed, or with -walk of a walk through an incident, which it plays in
// a terminal.
//
//	picture COMMAND... <TEXT
//	picture -walk COMMAND...
package main

import (
	"bufio"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"unicode/utf8"
)

// Sizes in pixels of a cell of a monospace font at 13 px, and what is shown of the text.
const (
	cellWidth, cellHeight = 7.8, 17
	margin                = 14
	columns, rows         = 122, 58
)

func main() {
	args := os.Args[1:]
	var err error
	if len(args) > 1 && args[0] == "-walk" {
		err = play(context.Background(), os.Stdout, args[1:])
	} else {
		err = draw(os.Stdin, os.Stdout, args)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// draw writes the first lines of in, beneath a prompt with the command that printed them.
func draw(in io.Reader, out io.Writer, command []string) error {
	lines := []string{"$ " + strings.Join(command, " ")}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if len(lines) == rows {
			lines = append(lines, "…")
			break
		}
		lines = append(lines, cut(scanner.Text()))
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	var b strings.Builder
	width, height := columns*cellWidth+2*margin, len(lines)*cellHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="#16181d"/>`+"\n")
	for i, line := range lines {
		if line == "" {
			continue
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s" xml:space="preserve">`, margin, margin+(i+1)*cellHeight-4, color(line))
		if err := xml.EscapeText(&b, []byte(line)); err != nil {
			return err
		}
		b.WriteString("</text>\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func cut(line string) string {
	if utf8.RuneCountInString(line) <= columns {
		return line
	}
	return string([]rune(line)[:columns-1]) + "…"
}

// color sets the headline, the headings and the span to blame apart.
func color(line string) string {
	switch {
	case strings.HasPrefix(line, "✖ ANOMALOUS"):
		return "#ff7b72"
	case strings.HasPrefix(line, "►"):
		return "#ffa657"
	case strings.HasPrefix(line, "$"):
		return "#7ee787"
	case line[0] >= 'A' && line[0] <= 'Z':
		return "#79c0ff"
	}
	return "#d7dae0"
}
