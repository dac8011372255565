package shop

import "time"

// nPlusOne: many quick statements instead of two.
func nPlusOne() Scenario {
	return Scenario{
		Name: "n-plus-one", Title: "inventory reserves an order line by line; no statement is slow, there are only too many",
		Truth: Truth{
			Verdict: Anomalous, Culprit: "inventory", Operation: "POST /reservations", Where: map[string]string{"service.version": "1.45.0"},
			Symptom: "gateway", Onset: minutes(9), Began: minutes(9), Kind: "chatty",
			Decoys: []string{
				"payment: version 1.18.5 was deployed a minute later, and is innocent",
				"the database: runs five times as many statements, each as fast as before",
				noisyRecommendation,
			},
			Explanation: "inventory 1.45.0 reads and reserves stock with two statements for each line of an order, one after the other, where two for the " +
				"whole order were enough. Small orders are as fast as ever, large ones take a second.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(9), "inventory", release{version: "1.45.0", lineByLine: true}, 0)
			s.deploy(at(10), "payment", release{version: "1.18.5"}, 0)
			s.rollsBack("inventory", "1.44.0")
		},
	}
}

// noisyNode is the index of the node that the batch job comes to.
const noisyNode = 3

// noisyNeighbour: somebody else's work on a node.
func noisyNeighbour() Scenario {
	return Scenario{
		Name: "noisy-neighbour", Title: "a batch job takes the CPUs of a node, and every pod on it is slow",
		Truth: Truth{
			Verdict: Anomalous, Culprit: "report-builder", Where: map[string]string{"k8s.node.name": "node-1a-2"},
			Symptom: "gateway", Onset: minutes(9), Began: minutes(9), Kind: "node",
			Decoys: []string{
				"checkout, payment, recommendation and session: each has one slow pod, and nothing else in common but the node",
				"payment: version 1.18.5 was deployed two minutes earlier, one pod of it on that node",
			},
			Explanation: "The job report-builder of another team runs 70 threads on the 8 CPUs of one node. Whatever the shop's pods on it compute has to wait for " +
				"a CPU; their replicas on other nodes are well. The node's load and pressure say so, no service does.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(7), "payment", release{version: "1.18.5"}, 0)
			s.batchJob(at(9), s.mended, s.nodes[noisyNode], "report-builder", 70)
		},
	}
}

// creep: too slow a change for any alert.
func creep() Scenario {
	const weeks = 21 * 24 * time.Hour
	return Scenario{
		Name: "creep", Title: "a memory leak: over three weeks checkout goes from 200 ms to 800 ms, without a step, an error or an alert",
		before: weeks,
		Truth: Truth{
			Verdict: Anomalous, Culprit: "catalog", Where: map[string]string{"service.version": "5.2.0"},
			Symptom: "gateway", Onset: -weeks, Began: -weeks, Kind: "leak",
			Decoys: []string{
				"checkout: deployed twice in three weeks, the last time three days ago, without a difference",
				"gateway: deployed last week, without a difference",
				noisyRecommendation,
			},
			Explanation: "Each price that catalog 5.2.0 looks up stays in a map for ever. The heap grows, so that collections become longer and more frequent, and " +
				"whoever asks during one waits. Compared with the hour before nothing has changed; compared with three weeks ago everything " +
				"that asks catalog is slower, and a fifth fewer of the shoppers order.",
		},
		script: func(s *Shop, at func(float64) moment) {
			// Looked up are about 0.73 prices for each request, by two pods; after three
			// weeks most of the heap is full of them.
			hoards := creepFills / (0.73 / 2 * s.base * s.averageBusyness() * weeks.Seconds())
			for _, p := range s.services["catalog"].pods {
				p.release.hoards = hoards
			}
			day := func(n float64) moment { return s.start.plus(-time.Duration(n * float64(24*time.Hour))) }
			s.deploy(day(13), "checkout", release{version: "3.7.2"}, 0)
			s.deploy(day(7), "gateway", release{version: "4.11.3"}, 0)
			s.deploy(day(3), "checkout", release{version: "3.8.0"}, 0)
			s.rollsBack("catalog", "5.1.9")
		},
	}
}

// creepFills is how many bytes of each heap the leak has filled in the end.
const creepFills = 3.1e9

// bot: what the clients do wrong.
func bot() Scenario {
	return Scenario{
		Name: "bot", Title: "a burst of 400, 404 and 429: a client's fault, and nobody's incident", extra: 0.36,
		Truth: Truth{
			Verdict: Healthy, Kind: "client",
			Decoys: []string{
				"gateway: answers three times as many requests, more than half of them with 400, 404 or 429",
				"catalog: logs products that do not exist",
				"inventory: version 1.44.1 was deployed when the burst began, and is innocent",
				noisyRecommendation,
			},
			Explanation: "A program asks for products that do not exist and sends forms that cannot be right, from three addresses, until it is told to slow down. " +
				"Each answer is the one that it should get. Shoppers notice nothing.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(8.5), "inventory", release{version: "1.44.1"}, 0)
			s.bots(at(9), at(24), 1.4*s.base)
		},
	}
}

// silent: what is not there any more.
func silent() Scenario {
	return Scenario{
		Name: "silent", Title: "recommendation hangs: it logs nothing, and is soon not called any more; no error, no slow page",
		Truth: Truth{
			Verdict: Anomalous, Culprit: "recommendation", Operation: "GET /recommendations",
			Symptom: "gateway", Onset: minutes(9), Began: minutes(9), Kind: "silence",
			Decoys: []string{
				"gateway: pages are faster than before",
				"shipping: version 2.1.0 was deployed a minute earlier, and is innocent",
				"session: logs rejected logins, as on any day",
			},
			Explanation: "The threads of both pods wait for each other. After a few calls without an answer the circuit breakers of gateway and mobile-api open, " +
				"and best sellers are shown instead. The process lives, is scraped, and counts nothing. Its traffic and its log have ended.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(8), "shipping", release{version: "2.1.0"}, 0)
			s.at(at(9), func() {
				for _, p := range s.services["recommendation"].pods {
					p.hung = true
				}
			})
			s.mends(func() {
				for _, p := range s.services["recommendation"].pods {
					p.hung = false
				}
			})
		},
	}
}

// healthy: a busy day.
func healthy() Scenario {
	return Scenario{
		Name: "healthy", Title: "a busy day with noisy logs and two deployments, and nothing is wrong",
		Truth: Truth{
			Verdict: Healthy, Kind: "none",
			Decoys: []string{
				"all services: they log three times as many harmless errors since minute 6",
				"catalog and cart: both were deployed, without a difference",
				noisyRecommendation,
			},
			Explanation: "Requests are answered as fast and as well as before. What is logged as an error is tried again or done without.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.at(at(6), func() { s.noise = 3 })
			s.deploy(at(10), "catalog", release{version: "5.2.1"}, 0)
			s.deploy(at(18), "cart", release{version: "2.8.4"}, 0)
		},
	}
}
