# Everything that a developer or the continuous integration runs, by one name each.
# `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BACKENDS := testdata/backends/backends

# The linter is built by the Go release at hand and kept outside the repository,
# under its version: a new version is a new file, and an old checkout finds its own.
GOLANGCI_VERSION := v2.15.0
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/obs-tools
GOLANGCI_BIN := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOLANGCI := $(GOLANGCI_BIN)/golangci-lint

# Far beyond what they take on a quiet machine, and told, since Go's own ten minutes for
# a package end a sound run on a busy one: the race detector makes the shop's hours of
# history some six times as dear.
TEST_TIMEOUT := -timeout 20m
RACE_TIMEOUT := -timeout 40m

# Integration tests share one set of servers and stop some of them in turn, hence
# one package at a time (-p 1); a cached result would say nothing about a server.
INTEGRATION := go test -tags integration -count=1 -p 1 -timeout 30m

# Folders named testdata are left out of ./..., so their programs are named.
SHIP := ./testdata/backends ./testdata/backends/ship ./testdata/picture ./testdata/terminal ./testdata/incidents ./testdata/bigtrace
SCRIPTS := $(BACKENDS) .ci/run $(wildcard docs/runbooks/*.sh)

LOAD_REQUESTS ?= 200
LOAD_PARALLEL ?= 4

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## compile bin/obs
	go build -o bin/obs ./cmd/obs

.PHONY: test
test: ## vet and test everything that needs no server
	go vet ./...
	go test $(TEST_TIMEOUT) ./... ./testdata/incidents

.PHONY: race
race: ## the same tests under the race detector (needs a C compiler)
	go test -race $(RACE_TIMEOUT) ./...

.PHONY: bench
bench: ## the benchmarks, without the tests
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: lint
lint: gofmt scripts golangci ## all static checks

.PHONY: gofmt
gofmt:
	@unformatted=$$(gofmt -l .); if [[ -n $$unformatted ]]; then printf 'gofmt would change:\n%s\n' "$$unformatted" >&2; exit 1; fi

# shellcheck finds more than bash's own reading does, but is not everywhere.
.PHONY: scripts
scripts:
	@for script in $(SCRIPTS); do bash -n "$$script"; done
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo 'shellcheck is not installed: shell scripts were parsed only' >&2; fi

.PHONY: golangci
golangci: $(GOLANGCI)
	$(GOLANGCI) run ./... $(SHIP)

$(GOLANGCI):
	@echo 'installing golangci-lint $(GOLANGCI_VERSION), which takes some minutes the first time' >&2
	mkdir -p $(GOLANGCI_BIN)
	GOFLAGS= GOBIN=$(GOLANGCI_BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: backends
backends: ## compile (once) and start real Prometheus, Loki, Jaeger and HotROD
	$(BACKENDS) up

.PHONY: backends-down
backends-down: ## stop them again; what they stored stays in .backends
	$(BACKENDS) down

.PHONY: backends-status
backends-status: ## one line per server
	@$(BACKENDS) status

.PHONY: load
load: ## send HotROD requests: LOAD_REQUESTS (200), LOAD_PARALLEL (4) at a time
	$(BACKENDS) load $(LOAD_REQUESTS) $(LOAD_PARALLEL)

# The README's main job, which needs no more servers than it asks. The gentle minutes are the baseline of the hard ones; the wait
# is for two scrapes, after which Prometheus has seen what was done.
.PHONY: incident
incident: build ## the main job, on real servers: HotROD gently, then hard, then obs triage
	@for server in prometheus loki jaeger hotrod ship; do $(BACKENDS) start $$server; done; \
	line=$$($(BACKENDS) env); eval "$$line"; \
	from=$$(date -u +%FT%TZ); $(BACKENDS) load 40 1 >&2; to=$$(date -u +%FT%TZ); \
	$(BACKENDS) load 60 12 >&2; sleep 11; \
	bin/obs triage --since 2m --baseline "$$from/$$to" $(ARGS)

# The recordings are no part of the repository: testdata/incidents/README.md tells their format.
.PHONY: bench-incidents
bench-incidents: MEASURE = score --leave-one-out
bench-incidents: ## score obs triage on recorded incidents, in real backends: INCIDENTS=DIR
	$(on-incidents)

# Some hundred builds, each compiled and scored: with ARGS="--only NAME" those of one number.
.PHONY: bench-sensitivity
bench-sensitivity: MEASURE = sensitivity $(ARGS)
bench-sensitivity: ## the same with each number of triage halved and doubled (up to an hour): INCIDENTS=DIR
	$(on-incidents)

define on-incidents
	@if [[ ! -d "$(INCIDENTS)" ]]; then echo '$@: give a folder of recorded incidents: make $@ INCIDENTS=DIR; testdata/incidents/README.md tells what it holds' >&2; exit 2; fi
	@$(MAKE) -s --no-print-directory build
	@for server in prometheus loki jaeger; do $(BACKENDS) start $$server; done; \
	line=$$($(BACKENDS) env); eval "$$line"; \
	go run ./testdata/incidents load --prometheus-url "$$PROMETHEUS_URL" --loki-url "$$LOKI_URL" --jaeger-url "$$JAEGER_URL" --otlp-url "$$OTLP_URL" "$(INCIDENTS)"; \
	go run ./testdata/incidents $(MEASURE) "$(INCIDENTS)"
endef

# The first part is as fast as answers can come, the second is what a person waits for.
.PHONY: bench-trace
bench-trace: build ## obs trace of 50,000 spans and of 100 MB: time beside curl's, and memory
	go run ./testdata/bigtrace
	@$(BACKENDS) start jaeger; \
	line=$$($(BACKENDS) env); eval "$$line"; \
	go run ./testdata/bigtrace -jaeger-url "$$JAEGER_URL" -otlp-url "$$OTLP_URL"

.PHONY: keys
keys: ## write docs/keys.md from the key map
	go test ./tui -run TestKeysAreDocumented -update

.PHONY: schema
schema: ## write docs/config.schema.json and docs/schema/*.json from the types
	go test ./sources/connect/profile -run TestSchemaIsCurrent -update
	go test ./docs/schema -run TestSchemasAreCurrent -update

# From then on the schemas must not break what is written now.
.PHONY: schema-publish
schema-publish: schema ## keep the schemas as published, if they break nothing
	go test ./docs/schema -run TestSchemasBreakNothing -publish

.PHONY: walk
walk: build ## draw the README's walk through an incident, in tmux
	go run ./testdata/picture -walk bin/obs demo latency >docs/.walk.svg
	mv docs/.walk.svg docs/walk.svg

.PHONY: picture
picture: ## draw the README's picture of text, from a run on real servers
	$(MAKE) -s --no-print-directory incident ARGS="-o text" | go run ./testdata/picture obs triage --since 2m --baseline '"$$gentle"' >docs/.triage.svg
	mv docs/.triage.svg docs/triage.svg

# Two runs, so that the packages that talk to one backend fail before those that
# need all three. The assignment, unlike eval alone, ends the recipe if `up` fails.
.PHONY: integration
integration: ## tests against the real backends, which are started if need be
	line=$$($(BACKENDS) up); eval "$$line"; \
	code=0; \
	$(INTEGRATION) ./sources/... || code=$$?; \
	$(INTEGRATION) ./correlate/... ./cmd/... ./tui/... || code=$$?; \
	exit $$code

.PHONY: clean
clean: ## remove what was built here (not .backends, which running servers use)
	rm -rf bin dist coverage.out
