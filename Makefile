# What one types here; the build itself is CMake (CMakeLists.txt, CMakePresets.json), the set-up is tools/deps.
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
PROGRAM := build/release/moescope
DEMO := demo-run

.DEFAULT_GOAL := build
.PHONY: build deps demo test bench oracle lint fuzz install uninstall clean distclean help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

deps: ## fetches what the build needs (apt, pip, npm); no-op when all is there
	@tools/deps

build: deps ## build/release/moescope
	@tools/build release
	@echo "built $(PROGRAM)"

demo: build ## analyzes examples/tiny-qwen2-moe and writes its report
	@rm -rf $(DEMO)
	@$(PROGRAM) analyze examples/tiny-qwen2-moe -o $(DEMO)
	@find "$(CURDIR)/$(DEMO)" -name '*.html' -printf 'The report: %p\n'

test: build ## all tests; the last line counts them
	@tests/run build/release

bench: build ## speed, beside the limits of the machine and beside NumPy and MLX
	@tools/deps --oracle
	@tests/bench/run $(PROGRAM)

oracle: build ## compares with NumPy, MLX, pyarrow, DuckDB, ... (in .deps/oracle); TORCH=1: with torch and its kin too (6 GB)
	@tools/deps --oracle $(if $(TORCH),--torch)
	@tools/build release oracle_helpers
	@tests/oracle/run build/release

lint: ## format, layers, a second compiler's warnings, shell scripts
	@tools/deps --lint
	@tools/lint

fuzz: ## every fuzz target for FUZZ_SECONDS (60) each
	@tools/deps --dev
	@tools/build fuzz
	@tests/fuzz/run build/fuzz $(FUZZ_SECONDS)

install: build ## into PREFIX (/usr/local); DESTDIR is honoured
	@PATH="$(CURDIR)/.deps/bin:$$PATH" cmake --install build/release --prefix "$(PREFIX)" --strip >build/install.log
	@echo "installed into $(PREFIX); remove with: make uninstall PREFIX=$(PREFIX)"

uninstall: build ## what install put there
	@tools/uninstall build/release "$(PREFIX)"

clean: ## removes what was built
	@rm -rf build $(DEMO)

distclean: clean ## ... and what was fetched
	@rm -rf .deps web/node_modules
