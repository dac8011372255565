package correlate

// plain is the glossary of a team without names of its own.
var plain *glossary
