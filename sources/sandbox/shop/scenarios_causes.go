package shop

// latency: a dependency outside the shop stops answering in one region.
func latency() Scenario {
	return Scenario{
		Name: "latency", Title: "a region of the payment provider times out, and checkout takes 4 s instead of 200 ms",
		Truth: Truth{
			Verdict: Anomalous, Culprit: "payment", Operation: "POST /v1/charges", Where: map[string]string{"server.address": "eu-west.payments.example"},
			Symptom: "gateway", Onset: minutes(10), Began: minutes(10), Kind: "dependency",
			Decoys: []string{
				"cart: version 2.8.4 was deployed two minutes earlier, and is as fast as the one before",
				noisyRecommendation,
				"checkout: departs by as much as payment does, because it waits for it",
			},
			Explanation: "Most charges to the provider's eu-west region get no answer. payment gives up after 1.8 s, tries once more, and then uses " +
				"another region: the order goes through some 4 s late. Charges to the other regions take as long as ever.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(8), "cart", release{version: "2.8.4"}, 0)
			s.at(at(10), func() { s.causes.stalled["eu-west"] = 0.85 })
			s.mends(func() { delete(s.causes.stalled, "eu-west") })
		},
	}
}

// errorsScenario: a certificate runs out.
func errorsScenario() Scenario {
	return Scenario{
		Name: "errors", Title: "a carrier's certificate has expired, and orders to its region fail",
		Truth: Truth{
			Verdict: Anomalous, Culprit: "shipping", Operation: "POST /v2/rates", Where: map[string]string{"server.address": "carrier-eu-west.example"},
			Symptom: "gateway", Onset: minutes(12), Began: minutes(12), Kind: "expiry",
			Decoys: []string{
				"catalog: version 5.2.1 was deployed a minute earlier, and nothing of it fails",
				"payment: logs declined cards, as on any day",
				"shipping gets more traffic: checkout asks it three times where once was enough",
				noisyRecommendation,
			},
			Explanation: "The TLS handshake with the carrier of eu-west fails, so shipping cannot quote, checkout tries three times and gives up, and a " +
				"third of all orders ends in a 502, within a third of a second.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(11), "catalog", release{version: "5.2.1"}, 0)
			s.at(at(12), func() { s.causes.expired["eu-west"] = true })
			s.mends(func() { delete(s.causes.expired, "eu-west") })
		},
	}
}

// badDeploy: a canary with a bug that shows only later.
func badDeploy() Scenario {
	return Scenario{
		Name: "deploy", Title: "a canary of session cannot read some tokens, while another service was deployed last",
		Truth: Truth{
			Verdict: Anomalous, Culprit: "session", Operation: "GET /session", Where: map[string]string{"service.version": "1.9.0"},
			Symptom: "gateway", Onset: minutes(11), Began: minutes(5), Kind: "release",
			Decoys: []string{
				"cart: version 2.8.4 was deployed half a minute before the errors began, on all pods, and is innocent",
				noisyRecommendation,
			},
			Explanation: "One of three pods of session runs 1.9.0 since minute 5. When its key set is refreshed, six minutes later, it can no longer " +
				"read tokens that were signed with the rotated key, and answers 500 to nearly half of its requests. The other pods are well.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(5), "session", release{version: "1.9.0", rejectsRotated: at(11).since(at(5)) - deployReady}, 1)
			s.deploy(at(10.5), "cart", release{version: "2.8.4"}, 0)
			s.rollsBack("session", "1.8.7")
		},
	}
}

// segment: two conditions that hurt only together.
func segment() Scenario {
	return Scenario{
		Name: "segment", Title: "product pages of one tenant are slow when the price is not cached; neither alone is",
		Truth: Truth{
			Verdict: Anomalous, Culprit: "catalog", Operation: "SELECT prices",
			Where:   map[string]string{"tenant.id": tenantName(bigTenant), "shop.cache.hit": "false"},
			Symptom: "gateway", Onset: minutes(9), Began: minutes(9), Kind: "segment",
			Decoys: []string{
				"the cache: misses are many since it was restarted with less memory, and for five of six tenants they cost 10 ms",
				tenantName(bigTenant) + ": its pages with a cached price are as fast as anybody's",
				"recommendation: version 0.63.0 was deployed two minutes earlier, and is innocent",
				noisyRecommendation,
			},
			Explanation: "The cache was restarted with an eighth of its memory, so that half of all prices must be read from the database. That takes 10 ms, but " +
				"2 s for " + tenantName(bigTenant) + ", whose price book is so large that no index holds. It always did; only it was never cold.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(7), "recommendation", release{version: "0.63.0"}, 0)
			s.at(at(9), func() {
				s.event("Killing", "statefulset/redis", "Stopping container redis: memory request was lowered")
				s.prices.restart(len(tenants) * products / 8)
			})
			s.mends(func() { s.prices.capacity = len(tenants) * products })
		},
	}
}

// saturation: connections that are not given back.
func saturation() Scenario {
	return Scenario{
		Name: "saturation", Title: "the connection pools of cart run dry; the leak began long before anybody felt it",
		Truth: Truth{
			Verdict: Anomalous, Culprit: "cart", Operation: "acquire connection", Where: map[string]string{"service.version": "2.9.0"},
			Symptom: "gateway", Onset: minutes(10), Began: minutes(-18), Kind: "exhaustion",
			Decoys: []string{
				"checkout: version 3.7.2 was deployed some minutes before orders begin to fail, and is innocent",
				"the database: as fast as ever, and with workers to spare",
				noisyRecommendation,
			},
			Explanation: "cart 2.9.0 runs since eighteen minutes before the window, and keeps the connection of every cart whose coupon is not valid. When the pool " +
				"of a pod is used up its requests wait for three seconds and fail. db_client_connection_count tells it long before.",
		},
		script: func(s *Shop, at func(float64) moment) {
			s.deploy(at(-18), "cart", release{version: "2.9.0", forgetsConnections: true}, 0)
			s.deploy(at(7), "checkout", release{version: "3.7.2"}, 0)
			s.rollsBack("cart", "2.8.3")
		},
	}
}
