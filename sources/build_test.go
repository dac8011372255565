package sources

import (
	"runtime/debug"
	"testing"
)

func TestBuild(t *testing.T) {
	settings := []debug.BuildSetting{{Key: "vcs.revision", Value: "0f3c"}, {Key: "vcs.modified", Value: "true"}, {Key: "GOOS", Value: "linux"}}
	b := buildOf(&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: settings}, true)
	if b.Version != "v1.2.3" || b.Revision != "0f3c" || !b.Modified || b.Schema != BuildSchema {
		t.Errorf("%+v", b)
	}
	if got, want := b.String(), "obs v1.2.3 0f3c "+b.Go; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if got := buildOf(nil, false); got.String() != "obs, of an unknown build" || got.Go == "" || got.Platform == "" {
		t.Errorf("%+v: %s", got, got)
	}
}
