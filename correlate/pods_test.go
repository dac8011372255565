package correlate

import (
	"testing"

	"obs/correlate/survey"
	"obs/sources"
)

func TestWorkloadOf(t *testing.T) {
	for pod, want := range map[string]string{
		"ts-food-service-f5756978c-k8vqf": "ts-food-service",
		"cart-6f7c9d5b8-x2x4b":            "cart",
		"fluent-bit-7zkqp":                "fluent-bit",
		"kafka-0":                         "kafka",
		"cart-redis":                      "", // it has vowels, which made names do not
		"cart":                            "",
		"cart-v2":                         "",
		"10.0.0.7:8080":                   "",
		"-0":                              "",
	} {
		if got := workloadOf(pod); got != want {
			t.Errorf("%s is of %q, want %q", pod, got, want)
		}
	}
}

// A pod of a service that is known is that service; one of an unknown service, a service
// that is named like a pod, and a name that is no metric's, stay what they are.
func TestPodsAsServices(t *testing.T) {
	w := newWalk(sources.Set{Ledger: &sources.Ledger{}}, Question{}, nil)
	w.traced = []string{"shop/Cart", "kafka-0", "node"}
	perPod := &survey.Question{ServiceLabel: "pod"}
	for _, name := range []string{"cart-6f7c9d5b8-x2x4b", "fluent-bit-7zkqp", "kafka-0", "redis-1"} {
		w.measured = append(w.measured, measured{service: name, question: perPod})
	}
	w.measured = append(w.measured, measured{service: "redis", question: &survey.Question{ServiceLabel: "app"}})
	given := []clue{
		{service: "cart-6f7c9d5b8-x2x4b", kind: bySaturation}, {service: "fluent-bit-7zkqp"}, {service: "kafka-0"},
		{service: "redis-1"}, {service: "node-2"}, {service: "shop/Cart"},
	}
	want := []string{"shop/Cart", "fluent-bit-7zkqp", "kafka-0", "redis", "node-2", "shop/Cart"}
	for i, c := range w.podsAsServices(given) {
		if c.service != want[i] || c.kind != given[i].kind {
			t.Errorf("%s became %s, want %s", given[i].service, c.service, want[i])
		}
	}
	if given[0].service != "cart-6f7c9d5b8-x2x4b" {
		t.Error("what was given is changed")
	}
}

// A workload that the team calls otherwise is the service that it says.
func TestPodsOfAServiceWithNames(t *testing.T) {
	w := newWalk(sources.Set{Ledger: &sources.Ledger{}}, Question{Names: Names{Services: map[string][]string{"payment": {"pay-api"}}}}, nil)
	w.traced = []string{"payment"}
	w.measured = []measured{{service: "pay-api-6f7c9d5b8-x2x4b", question: &survey.Question{ServiceLabel: "pod"}}}
	if got := w.podsAsServices([]clue{{service: "pay-api-6f7c9d5b8-x2x4b"}})[0].service; got != "payment" {
		t.Errorf("the pod is taken for one of %s", got)
	}
}

// What speaks against a pod and against its service speaks against one suspect.
func TestAPodAndItsServiceAreOneSuspect(t *testing.T) {
	w := newWalk(sources.Set{Ledger: &sources.Ledger{}}, Question{}, nil)
	w.traced = []string{"cart"}
	w.measured = []measured{{service: "cart-6f7c9d5b8-x2x4b", question: &survey.Question{ServiceLabel: "pod"}}}
	w.clues = []clue{{kind: bySaturation, service: "cart-6f7c9d5b8-x2x4b", strength: 0.5}, {kind: byOwnTime, service: "cart", strength: 0.5}}
	w.rankSuspects()
	if s := w.found.Suspects; len(s) != 1 || s[0].Service != "cart" || s[0].Score != 0.51 { // 1 - 0.7 * 0.7
		t.Errorf("suspects %+v", s)
	}
}
