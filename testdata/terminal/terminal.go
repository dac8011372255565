// Package terminal runs a program in a real terminal, tmux, presses keys and reads the
// screen: for the tests that need to see what a person sees, and for the pictures of the
// documentation.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Terminal is a tmux server of its own with one window.
type Terminal struct {
	socket string
}

// Start runs the command in a terminal of that size. The terminal outlives the command,
// so that what a program leaves behind can be seen: "left N" with its exit status.
func Start(ctx context.Context, width, height int, command ...string) (*Terminal, error) {
	if _, err := exec.LookPath("tmux"); err != nil {
		return nil, fmt.Errorf("tmux is not installed: %w", err)
	}
	t := &Terminal{socket: fmt.Sprintf("obs-%d-%d", os.Getpid(), time.Now().UnixNano())}
	quoted := make([]string, len(command))
	for i, word := range command {
		quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	args := []string{
		"-f", "/dev/null", "new-session", "-d", "-s", "obs", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height),
	}
	// cat keeps the terminal open until it is closed.
	args = append(args, "sh", "-c", strings.Join(quoted, " ")+`; echo "left $?"; exec cat`)
	if _, err := t.tmux(ctx, args...); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Terminal) tmux(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "tmux", append([]string{"-L", t.socket, "-u"}, args...)...) //nolint:gosec // the caller's own command
	var out, failure strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", args[0], err, failure.String())
	}
	return out.String(), nil
}

// Press presses keys by tmux's names: Enter, Escape, Down, or a character.
func (t *Terminal) Press(ctx context.Context, keys ...string) error {
	_, err := t.tmux(ctx, append([]string{"send-keys", "-t", "obs"}, keys...)...)
	return err
}

// Resize gives the terminal another size.
func (t *Terminal) Resize(ctx context.Context, width, height int) error {
	_, err := t.tmux(ctx, "resize-window", "-t", "obs", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height))
	return err
}

// Screen is what stands on the screen, as text.
func (t *Terminal) Screen(ctx context.Context) (string, error) {
	return t.tmux(ctx, "capture-pane", "-p", "-t", "obs")
}

// Styled is what stands on the screen, with the sequences for its colors.
func (t *Terminal) Styled(ctx context.Context) (string, error) {
	return t.tmux(ctx, "capture-pane", "-e", "-p", "-t", "obs")
}

// Clipboard is what a program has last put into the clipboard.
func (t *Terminal) Clipboard(ctx context.Context) (string, error) {
	return t.tmux(ctx, "show-buffer")
}

// poll is how often Wait looks at the screen.
const poll = 20 * time.Millisecond

// Wait looks at the screen until fits says that it is as wanted, and returns it then; or
// an error, with the screen, when ctx ends first.
func (t *Terminal) Wait(ctx context.Context, fits func(screen string) bool) (string, error) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	last := ""
	for {
		screen, err := t.Screen(ctx)
		switch {
		case err == nil && fits(screen):
			return screen, nil
		case err == nil:
			last = screen
		case ctx.Err() == nil:
			return "", err
		}
		select {
		case <-ctx.Done():
			return last, errors.Join(ctx.Err(), fmt.Errorf("the screen is still:\n%s", last))
		case <-ticker.C:
		}
	}
}

// WaitFor waits until all the texts stand on the screen.
func (t *Terminal) WaitFor(ctx context.Context, texts ...string) (string, error) {
	return t.Wait(ctx, func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// Close ends the terminal and what runs in it.
func (t *Terminal) Close() error {
	_, err := t.tmux(context.Background(), "kill-server")
	return err
}
