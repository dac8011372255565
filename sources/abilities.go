package sources

// Abilities are what a server turned out to be able to do, kept from one run to the next, so
// that it is found out once. What is kept may be gone at any time, and may be out of date: who
// recalls something goes by it, and learns anew when the server behaves otherwise. They are
// safe for concurrent use.
type Abilities interface {
	// Recall is what is known under a name; empty where nothing is.
	Recall(name string) string
	// Learn keeps what is known under a name; an empty value forgets it.
	Learn(name, value string)
}
