// Command bigtrace measures `obs trace` of large traces: how long it takes compared with
// curl, which fetches the same answers and does nothing with them, and how much memory
// compared with the answers' size.
//
// Without flags it serves made answers of both of Jaeger's APIs from a file, which is as
// fast as an answer can come: there obs is compared with a copy. With --jaeger-url and
// --otlp-url it sends the trace to a real Jaeger first, whose own time both wait for.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	obs       string
	runs      int
	spans     int
	jaegerURL string
	otlpURL   string
	output    string
}

func main() {
	var o options
	flag.StringVar(&o.obs, "obs", "bin/obs", "the `program` to measure")
	flag.IntVar(&o.runs, "runs", 5, "runs of each, of which the median counts")
	flag.IntVar(&o.spans, "spans", 50000, "spans of the trace")
	flag.StringVar(&o.jaegerURL, "jaeger-url", "", "measure with this Jaeger")
	flag.StringVar(&o.otlpURL, "otlp-url", "", "where it receives spans")
	flag.StringVar(&o.output, "o", "text", "the form that obs writes: text, markdown or json")
	flag.Parse()
	if err := run(context.Background(), &o); err != nil {
		fmt.Fprintln(os.Stderr, "bigtrace:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	fmt.Printf("%-28s %9s  %8s  %8s  %6s  %8s  %9s  %6s\n", "answer", "size", "curl", "obs", "ratio", "obs CPU", "peak", "/size")
	if o.jaegerURL != "" {
		if err := send(ctx, o.otlpURL, trace(o.spans)); err != nil {
			return err
		}
		return compare(ctx, o, fmt.Sprintf("Jaeger, %d spans", o.spans), o.jaegerURL, "/api/v3/traces/"+traceID)
	}
	// A span takes some 800 bytes in v3, so that 2.5 times as many make 100 MB.
	for _, spans := range []int{o.spans, o.spans * 5 / 2} {
		for _, api := range []struct {
			name, path string
			write      func(*bufio.Writer, []span)
		}{
			{"v3", "/api/v3/traces/" + traceID, answerV3},
			{"v1", "/api/traces/" + traceID, answerV1},
		} {
			if err := serve(ctx, o, fmt.Sprintf("%s, %d spans", api.name, spans), api.path, func(b *bufio.Writer) { api.write(b, trace(spans)) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve compares on an answer that is served under the path. It comes from a file, and is
// not kept here: a program that is started counts the memory of the one that starts it as
// its own (getrusage(2), and exec of Linux).
func serve(ctx context.Context, o *options, name, path string, write func(*bufio.Writer)) (err error) {
	file, err := os.CreateTemp("", "bigtrace-*.json")
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, file.Close(), os.Remove(file.Name())) }()
	answer := bufio.NewWriter(file)
	write(answer)
	if err := answer.Flush(); err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(file, 0, size))
	})}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	err = compare(ctx, o, name, "http://"+listener.Addr().String(), path)
	_ = server.Close()
	if stop := <-stopped; !errors.Is(stop, http.ErrServerClosed) {
		err = cmp.Or(err, stop)
	}
	return err
}

// compare runs curl and obs in turn, so that both meet the same machine, and prints what
// came out.
func compare(ctx context.Context, o *options, name, base, path string) error {
	var curls, obss, cpus []time.Duration
	size, peak := 0, 0
	for range o.runs {
		curl, err := measure(ctx, "curl", "-s", "-o", "/dev/null", "--fail", "-w", "%{size_download}", base+path)
		if err != nil {
			return err
		}
		if _, err := fmt.Sscan(curl.out, &size); err != nil {
			return fmt.Errorf("curl told no size: %w", err)
		}
		obs, err := measure(ctx, o.obs, "trace", traceID, "--jaeger-url", base, "-o", o.output)
		if err != nil {
			return err
		}
		if !strings.Contains(obs.out, traceID) {
			return fmt.Errorf("obs shows no trace: %.200s", obs.out)
		}
		curls, obss = append(curls, curl.took), append(obss, obs.took)
		cpus = append(cpus, obs.cpu)
		peak = max(peak, obs.peak)
	}
	curl, obs := median(curls), median(obss)
	fmt.Printf("%-28s %6.1f MB  %6.3f s  %6.3f s  %6.2f  %6.3f s  %6.1f MB  %6.2f\n", name, float64(size)/1e6,
		curl.Seconds(), obs.Seconds(), obs.Seconds()/curl.Seconds(), median(cpus).Seconds(), float64(peak)/1e6, float64(peak)/float64(size))
	return nil
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// measured is a run of a program.
type measured struct {
	out  string // how its output begins
	took time.Duration
	cpu  time.Duration // of all its threads, which another program's work does not change much
	peak int           // bytes resident at most
}

func measure(ctx context.Context, program string, args ...string) (measured, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // what to run is the person's own choice
	// Only the trace is asked for, whatever else is configured where this runs.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	var out head
	var failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	// Loki is not there, so obs says that its answer is partial.
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 4 {
		err = nil
	}
	if err != nil {
		return measured{}, fmt.Errorf("%s: %w: %.300s", program, err, failure.String())
	}
	peak := 0
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = int(usage.Maxrss) << 10
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return measured{string(out.kept), took, cpu, peak}, nil
}

// head keeps the beginning of what is written, and reads over the rest.
type head struct{ kept []byte }

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), 64<<10-len(h.kept))]...)
	return len(p), nil
}

// sentAtOnce is how many spans go into one request; OpenTelemetry's batches have 8192.
const sentAtOnce = 8192

// send sends the trace to a real Jaeger, as OTLP in JSON.
func send(ctx context.Context, base string, all []span) error {
	for batch := range slices.Chunk(all, sentAtOnce) {
		var body bytes.Buffer
		b := bufio.NewWriter(&body)
		otlp(b, batch)
		if err := b.Flush(); err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/traces", &body)
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			return fmt.Errorf("sending spans: %s: %.200s: %w", response.Status, text, err)
		}
	}
	return nil
}
