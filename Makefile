# Two commands matter to a newcomer: `make matrix` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GO ?= go
SEED ?= 1
FUZZTIME ?= 10s
BENCHTIME ?= 1s

.PHONY: help matrix test suites race repeat bench calibrate test-kernel lint fuzz
.DEFAULT_GOAL := help

help: ## what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

matrix: ## the main job: which registrations and calls work through which NATs, and why not
	@$(GO) run ./cmd/natproof matrix --seed $(SEED)

test: ## every test, and the regression matrix as Ginkgo specs
	$(GO) vet ./...
	$(GO) test ./...

suites: ## the regression matrix alone, one spec a cell
	$(GO) tool ginkgo ./suites

race: ## every test under the race detector
	$(GO) test -race ./...

repeat: ## the regression matrix twenty times over, in random order: nothing may flake
	$(GO) tool ginkgo --repeat=19 --randomize-all ./suites

bench: ## speed, as figures and ratios of one run
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./natmodels/translate ./natmodels/catalogue ./vnet ./scenarios

calibrate: ## measure every NAT model with the discovery client and write docs/calibration.md
	$(GO) run ./cmd/natproof nat calibrate --out docs/calibration.md

test-kernel: ## the same packets through real nftables NAT and our model of it (Linux, root or user namespaces)
	bash internal/kernelnat/setup.sh
	PATH="$$PATH:/usr/sbin:/sbin" $(GO) test -tags kernel -count=1 ./internal/kernelnat -args -require

lint: ## formatting, vet, and the arrows between packages
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'not gofmt-clean'; exit 1; }
	$(GO) vet ./... && $(GO) vet -tags kernel ./internal/kernelnat
	$(GO) test -count=1 ./internal/arrows

fuzz: ## every fuzz target for FUZZTIME each
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p; \
	  done; \
	done
