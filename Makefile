# Two commands matter to a newcomer: `make matrix` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GO ?= go
SEED ?= 1
FUZZTIME ?=
FUZZ ?= .
BENCHTIME ?= 1s
AGAINST ?= 0d0d3a0
KILLS ?= 100

.PHONY: help docs matrix matrix-wide matrix-all test suites race repeat determinism bench bench-against memory calibrate test-kernel real-nats emulator bench-emulator kills peers phones phones-all real-peers real-peers-all sipp image adapters lint fuzz
.DEFAULT_GOAL := help

help: ## what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

matrix: ## the main job: which registrations and calls work through which NATs, and why not
	@$(GO) run ./cmd/natproof matrix --seed $(SEED)

# Flows x behaviours x ways to learn one's address x routing x rport x filter scopes x ALGs.
WIDE = --flow register,call,pc-to-phone --a rfc4787 --b rfc4787 --port-manager local,static,stun --registrar contact,received --rport=false,true \
	--filter-scope mapping,endpoint --alg off,full,any-port,linux,stale-length,double --hosts pion,native

matrix-wide: ## some 35,000 cells: prediction and observation must agree in each; matrix-wide.txt has the tables
	$(GO) run ./cmd/natproof matrix --seed $(SEED) $(WIDE) --json matrix-wide.json > matrix-wide.txt || { tail -n 20 matrix-wide.txt; exit 1; }
	@tail -n 1 matrix-wide.txt

matrix-all: ## every flow through every pair of NATs, each axis and each two axes varied: more than 100,000 cells
	@$(GO) run ./cmd/natproof matrix --all --seed $(SEED)

test: ## every test, and the regression matrix as Ginkgo specs
	$(GO) vet ./...
	$(GO) test -timeout 1h ./...

suites: ## the regression matrix alone, one spec a cell
	$(GO) tool ginkgo --fail-on-empty ./suites

race: ## every test under the race detector
	$(GO) test -race -timeout 3h ./...

repeat: ## the regression matrix twenty times over, in random order: nothing may flake
	$(GO) tool ginkgo --fail-on-empty --repeat=19 --randomize-all ./suites

SAME = $(GO) test -count=1 -timeout 10h ./suites -args -ginkgo.timeout=10h -ginkgo.label-filter=determinism -same.cells=23 -same.rough=1

determinism: ## the same seed, the same trace: 23 cells, 3 seeds, 100 runs, on every kind of link; then on a machine with other work
	$(SAME) -same.seeds=3 -same.runs=100 -same.hosts=600
	$(SAME) -same.seeds=1 -same.runs=7 -same.busy=4

bench-against: ## the CPU of a cell as a ratio to that at another commit (AGAINST=commit), both played in turn
	@GO='$(GO)' bash .ci/bench-against $(AGAINST)

bench: bench-against ## speed, as figures and ratios of one run; first that of cells against an older commit
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./internal/ippacket ./natmodels/translate ./natmodels/catalogue ./vnet ./scenarios
	cd internal/simnet && $(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

memory: ## the peak of memory of 10,800 cells of matrix, two at a time
	$(GO) test -run '^$$' -bench MatrixMemory -benchtime 1x -timeout 1h ./cmd/natproof

calibrate: ## measure every NAT model with the discovery client and write docs/calibration.md
	$(GO) run ./cmd/natproof nat calibrate --out docs/calibration.md

docs: ## what of the documentation is made from values: the schemas of results and labs, what works and why not, the answers to RFC 4475
	$(GO) test ./scenarios -run SchemaIsMadeFromTheValues -rewrite
	$(GO) test ./emulator/lab -run SchemaIsMadeFromTheValues -rewrite
	$(GO) test ./report -run OutcomesAreMadeFromTheory -rewrite
	$(GO) test ./internal/torture -run Answers -rewrite

test-kernel: ## the same packets through real nftables NAT and our model of it (Linux, root or user namespaces)
	bash internal/kernelnat/setup.sh
	PATH="$$PATH:/usr/sbin:/sbin" $(GO) test -tags kernel -count=1 ./internal/kernelnat -args -require

real-nats: ## natproof discover behind pasta, slirp4netns and nftables as Docker sets it: what the catalogue says of them (Linux, root)
	sh internal/setup/realnats.sh
	$(GO) test -tags realnats -count=1 -v ./internal/realnats -args -require

emulator: ## real programs behind NATs: namespaces, TUN and packet rings, as nobody too, natproof exec (Linux, root or user namespaces)
	sh internal/setup/emulator.sh
	PATH="$$PATH:/usr/sbin:/sbin" NATPROOF_REQUIRE_EMULATOR=1 $(GO) test -count=1 $$($(GO) list ./emulator/... | grep -v /phones)
	PATH="$$PATH:/usr/sbin:/sbin" NATPROOF_REQUIRE_EMULATOR=1 $(GO) test -count=1 -run 'TestScripts/exec$$' ./cmd/natproof

bench-emulator: ## the emulator beside veth and nftables masquerade, in one run: small UDP packets, TCP, round trips, loss
	sh internal/setup/emulator.sh
	PATH="$$PATH:/usr/sbin:/sbin" $(GO) test -run '^$$' -bench BesideTheKernel -benchtime 5x -timeout 1h ./emulator

kills: ## a registrar on SQLite killed with kill -9 a hundred times under load (KILLS=100)
	$(GO) test -count=1 -v -run '^TestKilled$$' -timeout 1h ./servers/registrar/sqlite -args -kills $(KILLS)

sipp: ## calls and registrations by SIPp over loopback, against registrar, gateway and user agent
	sh internal/setup/sipp.sh
	NATPROOF_REQUIRE_SIPP=1 $(GO) test -count=1 -parallel 8 -v ./internal/sipp

image: ## the OCI image of natproof serve, where podman, buildah or docker is; the program in it anyway
	@GO='$(GO)' bash .ci/image

phones: ## baresip, SIPp and linphone in cells like any phone of ours, behind NATs, on the real clock: some seconds
	sh internal/setup/phones.sh
	NATPROOF_REQUIRE_PHONES=1 $(GO) test -count=1 -parallel 4 -v ./emulator/phones

phones-all: ## certificates of theirs too, and two programs that call each other: some ten minutes
	sh internal/setup/phones.sh
	NATPROOF_REQUIRE_PHONES=1 $(GO) test -count=1 -parallel 4 -timeout 40m -v ./emulator/phones -args -all

PEERS = PATH="$$PATH:/usr/sbin:/sbin" NATPROOF_REQUIRE_PEERS=1 $(GO) test -count=1 -v ./internal/peers

real-peers: ## Kamailio, baresip, SIPp and coturn's NAT discovery behind NATs: a chosen set, two minutes (Linux, root or user namespaces)
	sh internal/setup/peers.sh
	$(PEERS) -parallel 24

real-peers-all: ## the same, whole products of cells, some six minutes
	sh internal/setup/peers.sh
	NATPROOF_ALL_PEERS=1 $(PEERS) -parallel 16 -timeout 30m

adapters: ## pion/webrtc on a virtual host, in modules of their own for transport v4 and v5
	cd adapters/transportv4 && $(GO) vet ./... && $(GO) test ./...
	cd adapters/transportv5 && $(GO) vet ./... && $(GO) test ./...
	@for f in adapters/transportv4/*.go; do \
	  case $$f in */doc.go) continue;; esac; \
	  sed -E 's|transport(/?)v4|transport\1v5|g; s|v4'"'"'s|v5'"'"'s|g; s|transport v4|transport v5|g' $$f | \
	    diff -u --label $$f - adapters/transportv5/$${f##*/} || { echo 'transportv5 is transportv4 with another number: change both'; exit 1; }; \
	done

peers: ## a phone that is not ours, on diago, in a module of its own
	cd internal/diago && $(GO) vet ./... && $(GO) test ./...

lint: ## formatting, vet, and the arrows between packages
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'not gofmt-clean'; exit 1; }
	$(GO) vet ./... && $(GO) vet -tags kernel ./internal/kernelnat && $(GO) vet -tags realnats ./internal/realnats
	$(GO) test -count=1 ./internal/arrows
	cd adapters/transportv4 && $(GO) vet ./... && $(GO) mod tidy -diff
	cd adapters/transportv5 && $(GO) vet ./... && $(GO) mod tidy -diff
	cd internal/diago && $(GO) vet ./... && $(GO) mod tidy -diff
	cd internal/simnet && $(GO) vet ./... && $(GO) mod tidy -diff

fuzz: ## a minute for each fuzz target of .ci/fuzz-minute, 3 s for all others (FUZZTIME=seconds for each, FUZZ='regexp of "package target"')
	@GO='$(GO)' bash .ci/fuzz '$(FUZZTIME)' '$(FUZZ)'
