package main

// judgement is a number in the source of triage that somebody chose: a constant, or a
// variable that holds numbers in a composite literal, each of which counts for itself.
type judgement struct {
	pkg  string // the folder, from the root of the module
	name string
	// share tells that it lies between 0 and 1, so that doubling ends there.
	share bool
	// off tells that 0 means something too: it leaves out what the number weighs.
	off bool
}

// judgements are the numbers of which a triage depends on the size. Bounds of screens, of
// texts, and of what is asked for are none; how many requests and lines are compared is one.
// A name that the source does not have any more is an error, so that the list stays true.
var judgements = []judgement{
	// What a suspect's score is made of.
	{pkg: "correlate", name: "weights", share: true, off: true},
	{pkg: "correlate", name: "explained", share: true, off: true},
	{pkg: "correlate", name: "calleeOfGap"},
	{pkg: "correlate", name: "callersGone"},
	{pkg: "correlate", name: "telling", share: true},
	{pkg: "correlate", name: "replaced", share: true},
	{pkg: "correlate", name: "chanceOfTime", share: true},
	{pkg: "correlate", name: "chanceOfWork", share: true},
	{pkg: "correlate", name: "chanceOfLines", share: true},
	{pkg: "correlate", name: "halfSure"},
	{pkg: "correlate", name: "leastScore", share: true},
	{pkg: "correlate", name: "apartDoubt"},
	{pkg: "correlate", name: "peerDoubt"},
	{pkg: "correlate", name: "failureCost"},
	{pkg: "correlate", name: "crowdedServices"},
	{pkg: "correlate", name: "crowdedOdds"},
	{pkg: "correlate", name: "nearFirst", share: true},
	{pkg: "correlate", name: "lately"},
	{pkg: "correlate", name: "causesBefore"},
	{pkg: "correlate", name: "rarely", share: true},

	// From where on something departs.
	{pkg: "correlate", name: "limits"},
	{pkg: "correlate", name: "fewSamples"},
	{pkg: "correlate", name: "full", share: true},
	{pkg: "correlate", name: "moreOften", share: true},
	{pkg: "correlate/anomaly", name: "minSamples"},
	{pkg: "correlate/anomaly", name: "leastSpread", share: true},
	{pkg: "correlate/anomaly", name: "departing", share: true},
	{pkg: "correlate/anomaly", name: "minPeers"},
	{pkg: "correlate/anomaly", name: "leastLogSpread"},
	{pkg: "correlate/spans", name: "leastVisits"},
	{pkg: "correlate/spans", name: "alike", share: true},
	{pkg: "correlate/patterns", name: "Ratio"},
	{pkg: "correlate/patterns", name: "MaxP", share: true},
	{pkg: "correlate/patterns", name: "MaxVanishedP", share: true},
	{pkg: "correlate", name: "likeLines", share: true},

	// How much is compared.
	{pkg: "correlate", name: "sampleSize"},
	{pkg: "correlate", name: "linesOfSide"},
	{pkg: "correlate", name: "traced", share: true},
	{pkg: "correlate", name: "begunBy", share: true},
	{pkg: "correlate", name: "cohortSize"},
}
