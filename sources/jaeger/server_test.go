package jaeger

import (
	"errors"
	"net/http"
	"testing"

	"obs/sources"
)

func TestDescribe(t *testing.T) {
	for name, test := range map[string]struct {
		server       *fake
		api, version string
	}{
		"current":         {current(), "v3", "v1.76.0"},
		"older":           {older(), "v1", "v1.76.0"},
		"without a page":  {newer(), "v3", ""},
		"another's page":  {newer().with(map[string]answer{"/": {http.StatusOK, "<html>JAEGER_VERSION = {oops};</html>"}}), "v3", ""},
		"a page that 401": {newer().with(map[string]answer{"/": {http.StatusUnauthorized, "who?"}}), "v3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			client, ledger := open(t, test.server)
			got, err := client.Describe(t.Context())
			if err != nil || got.Product != "jaeger" || got.API != test.api || got.Version != test.version {
				t.Errorf("%+v, %v", got, err)
			}
			if got.Clock.IsZero() || got.Answered.Before(got.Asked) {
				t.Errorf("times %+v", got)
			}
			for _, q := range ledger.Queries() {
				if q.Status == sources.QueryFailed {
					t.Errorf("listed as failed: %+v", q)
				}
			}
		})
	}
	client, _ := open(t, &fake{otherwise: page})
	if got, err := client.Describe(t.Context()); !errors.Is(err, sources.ErrNotThisAPI) || got != (sources.Server{}) {
		t.Errorf("nothing but pages: %+v, %v", got, err)
	}
}
