package sources

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// BuildSchema is the version of a Build's JSON.
const BuildSchema = "obs.version/v1"

// Build says which build of obs this is. What the build does not know of itself is left out.
type Build struct {
	Schema   string `json:"schema"`
	Version  string `json:"version,omitempty"`  // of the module; (devel) of a working copy
	Revision string `json:"revision,omitempty"` // the commit
	Modified bool   `json:"modified"`           // there was more in the working copy than the commit
	Go       string `json:"go"`                 // the version that compiled it
	Platform string `json:"platform"`           // operating system and processor, as in linux/amd64
}

// ThisBuild is the build that runs.
func ThisBuild() Build { return buildOf(debug.ReadBuildInfo()) }

func buildOf(info *debug.BuildInfo, known bool) Build {
	b := Build{Schema: BuildSchema, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if !known {
		return b
	}
	b.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is the build in one line.
func (b Build) String() string {
	if b.Version == "" {
		return "obs, of an unknown build"
	}
	words := []string{"obs", b.Version}
	if b.Revision != "" {
		words = append(words, b.Revision)
	}
	return strings.Join(append(words, b.Go), " ")
}
