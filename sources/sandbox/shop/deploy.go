package shop

import (
	"fmt"
	"time"

	"obs/sources"
)

// startPod puts a new pod of a service on a node. It takes requests at once.
func (s *Shop) startPod(svc *service, n *node, rel release) *pod {
	r := s.names
	p := &pod{
		service: svc, release: rel, node: n, started: s.now, scraped: s.now,
		name: svc.name + "-" + hashOf(svc.name+rel.version) + "-" + randomName(r, 5),
		ip:   fmt.Sprintf("10.1.%d.%d", r.IntN(250), 2+r.IntN(250)), requests: map[requestKey]*histogram{},
		gcPhase: time.Duration(r.Int64N(int64(time.Minute))),
	}
	if svc.poolSize > 0 {
		p.pool = &pool{clock: &s.clock, size: svc.poolSize}
	}
	p.resource = sorted("service.name", svc.name, "service.namespace", namespace, "service.version", rel.version,
		"k8s.namespace.name", namespace, "k8s.pod.name", p.name, "k8s.node.name", n.name, "k8s.deployment.name", svc.name,
		"cloud.availability_zone", n.zone, "cloud.region", "eu-west-1", "telemetry.sdk.language", svc.language, "telemetry.sdk.name", "opentelemetry")
	p.log = s.sink.Stream(sources.Labels{"service_name": svc.name, "pod": p.name, "namespace": namespace})
	svc.pods = append(svc.pods, p)
	s.exposePod(p)
	s.every(func() time.Duration { return s.chatterGap() }, func() { s.chatter(p) })
	return p
}

// hashOf is a replica set's name for a version: FNV-1a, in the letters that are used.
func hashOf(text string) string {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	b := make([]byte, 9)
	for i := range b {
		b[i] = letters[h%uint64(len(letters))]
		h /= uint64(len(letters))
	}
	return string(b)
}

// How a deployment goes: one pod after the other, each new one ready before an old one
// has to leave.
const (
	deployStep  = 25 * time.Second
	deployReady = 8 * time.Second
	deployDrain = 20 * time.Second
)

// deploy replaces pods of a service by ones of another release, from a moment on: as
// many as count says, or all of them.
func (s *Shop) deploy(at moment, service string, rel release, count int) {
	s.at(at, func() {
		svc := s.services[service]
		old := append([]*pod(nil), svc.pods...)
		if count > 0 && count < len(old) {
			old = old[:count]
		} else {
			svc.release = rel
		}
		s.event("ScalingReplicaSet", "deployment/"+service, fmt.Sprintf("Scaled up replica set %s-%s to %d", service, hashOf(service+rel.version), len(old)))
		for i, leaving := range old {
			s.after(time.Duration(i)*deployStep, func() { s.replace(leaving, rel) })
		}
	})
}

func (s *Shop) replace(old *pod, rel release) {
	s.event("Pulled", "deployment/"+old.service.name, "Successfully pulled image \"registry.example/"+old.service.name+":"+rel.version+"\"")
	s.after(deployReady, func() {
		p := s.startPod(old.service, old.node, rel)
		s.log(p, levelInfo, "starting", nil, nil, text("version", rel.version))
		s.log(p, levelInfo, "ready", nil, nil, number("port", 8080))
		s.retire(old)
	})
}

// retire lets a pod finish what it has, and then ends it.
func (s *Shop) retire(p *pod) {
	svc := p.service
	s.log(p, levelInfo, "received SIGTERM, draining", nil, nil)
	s.event("Killing", "pod/"+p.name, "Stopping container "+svc.name)
	svc.pods = without(svc.pods, p)
	svc.leaving = append(svc.leaving, p)
	s.after(deployDrain, func() {
		s.log(p, levelInfo, "stopped", nil, nil)
		svc.leaving = without(svc.leaving, p)
		p.gone, p.target.gone = true, true
	})
}

func without(pods []*pod, p *pod) []*pod {
	kept := make([]*pod, 0, len(pods))
	for _, q := range pods {
		if q != p {
			kept = append(kept, q)
		}
	}
	return kept
}

// event writes what the cluster did to the cluster's own log.
func (s *Shop) event(reason, object, message string) {
	if s.phase().weight != 1 {
		return
	}
	now := s.at2time(s.now)
	s.records++
	s.cluster(now, string(appendJSONLine(nil, now, levelInfo, message, []field{text("reason", reason), text("object", object)})), nil)
}

// batchJob runs a job of another team on a node, with so many threads that compute.
func (s *Shop) batchJob(from, until moment, n *node, name string, threads float64) {
	p := &pod{name: name + "-" + randomName(s.names, 5)}
	spent := 0.0
	compute := func() {
		took := scrapeEvery.Seconds() * n.cores * (1 - ordinary) * threads / (threads + 1)
		spent += took
		n.busy += took
		n.stalled += scrapeEvery.Seconds() * max(0, threads-n.cores)
	}
	s.at(from, func() {
		n.foreign += threads
		s.event("Scheduled", "pod/"+p.name, "Successfully assigned analytics/"+p.name+" to "+n.name)
		s.exposeContainer(p.name, name, "analytics", n, p, func() float64 { return spent }, func() float64 { return 5.2e9 })
		s.kube.add("kube_pod_info", p, func() float64 { return 1 }, "pod", p.name, "node", n.name, "created_by_name", name)
		s.every(func() time.Duration { return scrapeEvery }, func() {
			if !p.gone {
				compute()
			}
		})
	})
	s.at(until, func() {
		n.foreign -= threads
		p.gone = true
	})
}
