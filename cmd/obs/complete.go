package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"obs/sources/connect"
	"obs/sources/connect/profile"
)

// What the shell completes comes from files of this machine alone: a key must not wait for a
// server, and nothing is asked that nobody has asked for.

// Values that show how a flag is written, with what they mean.
var (
	sinceExamples    = []string{"15m\tthe last quarter of an hour", "30m", "1h", "3h", "12h", "1d", "1w"}
	momentExamples   = []string{"now-30m\thalf an hour ago", "now-1h", "now-1d", "15:04\tthe last time that the clock said so", "2026-11-21T15:04:05Z"}
	baselineExamples = []string{"24h\tthe same window a day earlier", "1w\tthe same window a week earlier", "now-2h/now-1h\tan interval"}
	zoneExamples     = []string{"UTC", "Local", "Europe/Berlin", "America/New_York", "Asia/Tokyo"}
	limitExamples    = []string{"anomalous", "inconclusive", "partial", "suspect-score>=0.5\tof obs triage", "errors>2%\tof obs services", "p99>500ms", "saturation>90%", "rate<0.5"}
	intervalExamples = []string{"30s", "1m", "2m", "5m"}
	timeoutExamples  = []string{"30s", "1m", "2m", "5m"}
)

// completions gives every command below what the shell can know of its flags. Flags of one
// name mean the same in all commands.
func completions(w world, cmd *cobra.Command) {
	inOrder := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	// The forms of output differ between commands, which note them at the flag.
	if output := cmd.Flags().Lookup("output"); output != nil {
		_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(output.Annotations[formsOfOutput], inOrder))
	}
	for name, complete := range map[string]cobra.CompletionFunc{
		"profile": completeProfiles(w), "service": completeServices(w), "trace": completeTraces(w),
		"since": cobra.FixedCompletions(sinceExamples, inOrder), "from": cobra.FixedCompletions(momentExamples, inOrder),
		"at": cobra.FixedCompletions(momentExamples, inOrder),
		"to": cobra.FixedCompletions(append([]string{"now"}, momentExamples...), inOrder), "around": cobra.FixedCompletions(momentExamples, inOrder),
		"baseline": cobra.FixedCompletions(baselineExamples, inOrder), "tz": cobra.FixedCompletions(zoneExamples, inOrder),
		"interval": cobra.FixedCompletions(intervalExamples, inOrder), "until": cobra.FixedCompletions([]string{untilHealthy}, inOrder),
		"timeout": cobra.FixedCompletions(timeoutExamples, inOrder),
		// Nothing is known of them, least of all by the names of files here.
		"prometheus-url": cobra.NoFileCompletions, "loki-url": cobra.NoFileCompletions, "jaeger-url": cobra.NoFileCompletions,
		"tempo-url": cobra.NoFileCompletions, "alertmanager-url": cobra.NoFileCompletions, "otlp-url": cobra.NoFileCompletions, "span": cobra.NoFileCompletions, "alert": cobra.NoFileCompletions,
		"request": cobra.NoFileCompletions, "name": cobra.NoFileCompletions, "token-env": cobra.NoFileCompletions, "limit": cobra.NoFileCompletions, "seed": cobra.NoFileCompletions, "mend-after": cobra.NoFileCompletions, "on-change": cobra.NoFileCompletions,
		"notes-url": cobra.NoFileCompletions, "incident": cobra.NoFileCompletions, "author": cobra.NoFileCompletions, "speed": cobra.NoFileCompletions,
		"fail-on": cobra.FixedCompletions(limitExamples, inOrder), "before": cobra.NoFileCompletions, "after": cobra.NoFileCompletions, "context": cobra.NoFileCompletions,
	} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, complete)
		}
	}
	for _, below := range cmd.Commands() {
		completions(w, below)
	}
}

// formsOfOutput is the annotation of a flag --output with the forms that it takes.
const formsOfOutput = "obs_forms_of_output"

// takesForms notes which forms a command can write.
func takesForms(cmd *cobra.Command, forms []string) {
	_ = cmd.Flags().SetAnnotation("output", formsOfOutput, forms)
}

// seenBy is what was seen at the connections that a command's flags, the environment and the
// files name. What is wrong with them shows when the command runs.
func seenBy(w world, cmd *cobra.Command) seen {
	flag := func(name string) string {
		if f := cmd.Flags().Lookup(name); f != nil {
			return f.Value.String()
		}
		return ""
	}
	o := connect.Options{
		Profile: flag("profile"), PrometheusURL: flag("prometheus-url"), LokiURL: flag("loki-url"),
		JaegerURL: flag("jaeger-url"), TempoURL: flag("tempo-url"), AlertmanagerURL: flag("alertmanager-url"),
	}
	settings, err := connect.Load(located(w, o))
	if err != nil {
		return seen{}
	}
	return readSeen(seenPath(w, settings.Key()))
}

func completeServices(w world) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		s := seenBy(w, cmd)
		return slices.Sorted(maps.Keys(s.Services)), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTraces offers the traces that were shown last, the last first, but for those that
// stand there already.
func completeTraces(w world) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var all []string
		for _, t := range seenBy(w, cmd).Traces {
			if !slices.Contains(args, string(t.ID)) && len(args) < 2 {
				all = append(all, string(t.ID)+"\t"+described(t.What))
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func completeProfiles(w world) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		file, _, err := profile.Read(profile.Path(w.getenv))
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, name := range file.Names() {
			if !completable(name) {
				continue
			}
			if name == file.Current {
				name += "\tthe current one"
			}
			names = append(names, name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeKeys offers the keys of a profile.
func completeKeys(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault // a value, maybe a file
	}
	var all []string
	for _, key := range profile.Keys() {
		all = append(all, key.Path+"\t"+key.Doc)
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func completeImports(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"grafana\tthe data sources of a Grafana"}, cobra.ShellCompDirectiveDefault // or a file
}
