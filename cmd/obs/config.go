package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"obs/sources"
	"obs/sources/connect"
	"obs/sources/connect/profile"
)

func newConfig(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Name connections, and choose between them",
		Long: `config keeps named sets of connections, profiles, in one file, which nobody
else can read:

  ` + cmp.Or(sources.Printable(profile.Path(w.getenv)), "(there is no place for it: set OBS_CONFIG, or HOME)") + `

OBS_CONFIG names another one. A flag wins over the environment, and that over
the profile. Secrets are best left where they are: the keys *_file, *_env,
*_command and *_keyring name the place.`,
		Example: `  obs config import
  obs config import grafana https://grafana.example.com --token-file ~/.token
  obs config set loki.tenant team-a
  obs config use production`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigView(w), newConfigUse(w), newConfigSet(w), newConfigImport(w), newConfigEdit(w), newConfigSchema(w))
	return cmd
}

// exactly wants so many arguments, and else says what they are.
func exactly(n int, hint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return usage(fmt.Errorf("%d arguments are given, and %d are wanted", len(args), n), hint)
	}
}

// configPath is where the configuration file is, or is to be.
func configPath(w world) (string, error) {
	if path := profile.Path(w.getenv); path != "" {
		return path, nil
	}
	return "", usage(errors.New("there is no place for a configuration file"), "set OBS_CONFIG, or HOME")
}

// edited opens the file for a change, makes it and writes it.
func edited(w world, change func(*profile.Document) error) error {
	path, err := configPath(w)
	if err != nil {
		return err
	}
	d, err := profile.Edit(path)
	if err != nil {
		return usage(err, "obs config edit mends it")
	}
	if err := change(d); err != nil {
		return err
	}
	if err := d.Write(); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("writing %s: %w", path, err)}
	}
	return nil
}

func newConfigView(w world) *cobra.Command {
	o := &common{timeout: defaultTimeout}
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Show the configuration, without its secrets, and what is in use",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := o.checkForms(w, twoForms); err != nil {
				return err
			}
			path, err := configPath(w)
			if err != nil {
				return err
			}
			d, err := profile.Edit(path)
			if err != nil {
				return usage(err, "obs config edit mends it")
			}
			shown, err := d.View()
			if err != nil {
				return &exitError{code: exitFailed, err: err}
			}
			view := &connect.View{Schema: connect.ViewSchema, Path: path, InUse: []connect.InUse{}, Warnings: []string{}}
			switch _, err := os.Stat(path); {
			case errors.Is(err, fs.ErrNotExist):
				shown = ""
			default:
				view.Exists = true
				if view.File, err = d.Values(); err != nil {
					return &exitError{code: exitFailed, err: err}
				}
			}
			settings, err := settingsOf(w)
			if err != nil {
				view.Error = err.Error()
			} else {
				view.InUse, view.Warnings = settings.InUse(), append(view.Warnings, settings.Warnings...)
			}
			return o.write(w, func(out io.Writer) error {
				head := sources.Printable(path)
				if !view.Exists {
					head += " is not there yet; obs config import and obs config set make it"
				}
				_, err := fmt.Fprintf(out, "%s%s%s", comment(head), printableLines(shown), inUse(view, settings))
				return err
			}, view)
		},
	}
	o.twoFlags(cmd)
	return cmd
}

// settingsOf are what a command would use that has no flags.
func settingsOf(w world) (*connect.Settings, error) {
	var c common
	err := c.load(w)
	return c.settings, err
}

func printableLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		body, end := strings.CutSuffix(line, "\n")
		lines[i] = sources.Printable(body)
		if end {
			lines[i] += "\n"
		}
	}
	return strings.Join(lines, "")
}

// inUse says which address is used of each backend, and where it was found, as comments.
func inUse(view *connect.View, settings *connect.Settings) string {
	if view.Error != "" {
		return comment(view.Error)
	}
	var b strings.Builder
	for _, warning := range view.Warnings {
		b.WriteString(comment(warning))
	}
	b.WriteString("# in use now:\n")
	for _, line := range settings.Describe() {
		b.WriteString(comment("  " + line))
	}
	return b.String()
}

// comment is a text as lines of a comment, which fit a terminal of 80 columns but for a word
// that does not.
func comment(text string) string {
	text = sources.Printable(text)
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	var b strings.Builder
	line := "#" + indent
	for len(text) > 0 {
		// Spaces within stay, as those that align columns do.
		end := len(text) - len(strings.TrimLeft(text, " "))
		if space := strings.IndexByte(text[end:], ' '); space >= 0 {
			end += space
		} else {
			end = len(text)
		}
		word := text[:end]
		if text = text[end:]; line == "#"+indent {
			line = "# " + indent + strings.TrimLeft(word, " ")
			continue
		}
		if utf8.RuneCountInString(line+word) > 80 {
			b.WriteString(line + "\n")
			line, word = "#   "+indent, strings.TrimLeft(word, " ")
		}
		line += word
	}
	return b.String() + line + "\n"
}

func newConfigUse(w world) *cobra.Command {
	return &cobra.Command{
		Use:               "use PROFILE",
		Short:             "Make a profile the current one",
		Args:              exactly(1, "give the name of a profile; obs config view shows them"),
		ValidArgsFunction: completeProfiles(w),
		RunE: func(_ *cobra.Command, args []string) error {
			err := edited(w, func(d *profile.Document) error {
				if err := d.Use(args[0]); err != nil {
					return usage(err, "obs config view shows what there is")
				}
				return nil
			})
			if err == nil {
				_, _ = fmt.Fprintf(w.err, "profile %s is the current one; obs doctor checks it\n", sources.Printable(args[0]))
				if other := w.getenv("OBS_PROFILE"); other != "" && other != args[0] {
					_, _ = fmt.Fprintf(w.err, "obs: but OBS_PROFILE names %s, and wins\n", sources.Printable(other))
				}
			}
			return err
		},
	}
}

func newConfigSet(w world) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "set KEY VALUE",
		Short: "Set one key of a profile, such as loki.url",
		Long: `set writes one key of a profile: the current one, or --profile, which is made
where there is none of that name. A list or keys are given in YAML. The shell
completes the keys, and obs config schema has all of them.`,
		Example: `  obs config set prometheus.url https://prometheus.example.com
  obs config set prometheus.token_file ~/.prometheus-token
  obs config set names.trace_id_fields '[tid, trace]'`,
		Args: exactly(2, "give a key and its value, as in obs config set loki.url https://host"),

		ValidArgsFunction: completeKeys,
		RunE: func(_ *cobra.Command, args []string) error {
			into, path := "", ""
			err := edited(w, func(d *profile.Document) error {
				into, path = cmp.Or(name, w.getenv("OBS_PROFILE"), d.Current(), "default"), d.Path()
				if err := d.Set(into, args[0], args[1]); err != nil {
					return usage(err, "keys are given as in prometheus.url; obs config schema has all of them")
				}
				return nil
			})
			if err == nil {
				_, _ = fmt.Fprintf(w.err, "%s of profile %s is set in %s\n", args[0], sources.Printable(into), sources.Printable(path))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&name, "profile", "", "the profile (default $OBS_PROFILE, or the current one)")
	return cmd
}

type importOptions struct {
	name, tokenFile, tokenEnv string
	replace, dryRun           bool
}

func newConfigImport(w world) *cobra.Command {
	o := &importOptions{}
	cmd := &cobra.Command{
		Use:   "import [grafana [URL] | FILE.yaml]",
		Short: "Make a profile of what is there already",
		Long: `import makes a profile of

  (nothing)       the servers that run on this machine: on their usual ports, and
                  on those that kubectl forwards already. Nothing is started
  grafana [URL]   the data sources of a Grafana, which are then asked through it.
                  The token comes from --token-file or --token-env (default
                  $GRAFANA_TOKEN), the address from $GRAFANA_URL where none is
                  given
  FILE.yaml       the data sources in a file that a Grafana is provisioned with,
                  at their own addresses

and takes over what data sources say of trace IDs. Secrets are not written down,
but where they are found. An existing profile stays as it is without --replace.`,
		Example: `  obs config import
  obs config import grafana https://grafana.example.com --token-file ~/.token
  obs config import datasources.yaml --name staging`,
		Args: cobra.MaximumNArgs(2),

		ValidArgsFunction: completeImports,
		RunE:              func(cmd *cobra.Command, args []string) error { return runImport(cmd.Context(), o, args, w) },
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "name of the profile (default local, grafana, or the file's name)")
	f.StringVar(&o.tokenFile, "token-file", "", "file with Grafana's token, which is read each time")
	f.StringVar(&o.tokenEnv, "token-env", "", "variable with Grafana's token (default GRAFANA_TOKEN)")
	f.BoolVar(&o.replace, "replace", false, "replace a profile of the same name")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be written, and write nothing")
	return cmd
}

func runImport(ctx context.Context, o *importOptions, args []string, w world) error {
	i, name, err := o.read(ctx, args, w)
	if err != nil {
		return err
	}
	name = cmp.Or(o.name, name)
	for _, remark := range i.Remarks {
		_, _ = fmt.Fprintf(w.err, "%s\n", sources.Printable(remark))
	}
	if o.dryRun {
		return nil
	}
	path := ""
	err = edited(w, func(d *profile.Document) error {
		path = d.Path()
		if d.Has(name) && !o.replace {
			return usage(fmt.Errorf("there is a profile %q already", name), "give --replace, or another --name")
		}
		if err := d.Put(name, &i.Profile); err != nil {
			return usage(err, "name it with --name")
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w.err, "profile %s is in %s; obs triage --profile %s uses it, and obs doctor --profile %s checks it\n", name, sources.Printable(path), name, name)
	return nil
}

// read makes the profile, and a name for it.
func (o *importOptions) read(ctx context.Context, args []string, w world) (connect.Imported, string, error) {
	switch {
	case len(args) == 0:
		i := connect.ImportFound(connect.Look(ctx))
		if i.Profile.Empty() {
			return i, "", &exitError{code: exitNotFound, err: errors.New("no Prometheus, Loki or Jaeger was found on this machine"), hint: "obs config set prometheus.url ADDRESS names one elsewhere"}
		}
		return i, "local", nil
	case args[0] == "grafana":
		by := profile.Connection{TokenFile: o.tokenFile, TokenEnv: o.tokenEnv}
		if o.tokenFile == "" && o.tokenEnv == "" {
			by.TokenEnv = "GRAFANA_TOKEN"
		}
		address := w.getenv("GRAFANA_URL")
		if len(args) == 2 {
			address = args[1]
		}
		if address == "" {
			return connect.Imported{}, "", usage(errors.New("no address of a Grafana is given"), "obs config import grafana https://host, or set GRAFANA_URL")
		}
		i, err := connect.ImportGrafana(ctx, address, by, w.getenv)
		return i, "grafana", importFailure(err)
	case len(args) == 2:
		return connect.Imported{}, "", usage(fmt.Errorf("%q is not what can be imported", args[0]), "see obs config import --help")
	}
	i, err := connect.ImportProvisioning(args[0])
	if err != nil {
		return i, "", usage(err, "give a file with Grafana's data sources, or grafana")
	}
	base := args[0][strings.LastIndexAny(args[0], `/\`)+1:]
	name, _, _ := strings.Cut(base, ".")
	return i, name, nil
}

func importFailure(err error) error {
	var failure *sources.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failure):
		return connectionExit(err, failure)
	}
	return usage(err, "")
}

func newConfigEdit(w world) *cobra.Command {
	return &cobra.Command{
		Use:   "edit",
		Short: "Open the configuration in $VISUAL or $EDITOR, and check it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runEdit(cmd.Context(), w) },
	}
}

// runEdit lets a copy be edited, and takes it over when nothing is wrong with it.
func runEdit(ctx context.Context, w world) error {
	path, err := configPath(w)
	if err != nil {
		return err
	}
	editor := cmp.Or(w.getenv("VISUAL"), w.getenv("EDITOR"))
	if editor == "" {
		return usage(errors.New("neither VISUAL nor EDITOR names an editor"), "edit "+path+" by hand; obs config view checks it")
	}
	copied, err := profile.Copy(path)
	if err != nil {
		return &exitError{code: exitFailed, err: err}
	}
	// As git and kubectl do: the variable may hold arguments.
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", copied) //nolint:gosec // the user's own editor
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if w.in != nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = w.in, w.out, w.err
	}
	if err := cmd.Run(); err != nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("the editor ended with an error, and nothing was changed: %w", err), hint: "what was written by then is in " + copied}
	}
	changed, err := profile.Adopt(copied, path)
	switch {
	case err != nil:
		return usage(err, "nothing was changed; what you wrote is in "+copied)
	case !changed:
		_, _ = fmt.Fprintln(w.err, "nothing was changed")
	}
	return nil
}

func newConfigSchema(w world) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file, for editors",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := profile.Schema()
			if err == nil {
				_, err = w.out.Write(text)
			}
			return err
		},
	}
}
