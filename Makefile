# SPDX-License-Identifier: GPL-2.0-only
#
# Every job by name; "make help" lists them.
#
# Settings are told as in "make test LAB=amd", or in the environment, where other programs
# may mean something else by these names: there, only jobs that heed a setting look at it.

# Which of Debian's kernels, for all jobs that build: the series, the version
# ("" is the newest on offer) and the flavour (cloud, generic, rt, or debug and
# kcsan, which are built here; test-debug and test-kcsan always take those, stick
# takes generic, and configs what a configuration says).
KERNEL ?= 6.12
KERNEL_VERSION ?=
FLAVOUR ?= cloud
# Which machine of tools/pvmmio/lab/known.py, for all jobs that boot some, all of them if
# empty; for bench also host.
LAB ?=
# For modules and load, instead: for which kernel, as "uname -r" says it.
KVER ?= $(shell uname -r)
# For series: a kernel's source, which is left as it is.
TREE ?=
# For regress: which of the kernel's tests: short, all, or names.  For test,
# test-debug and test-kcsan: names of ours; test also takes short or all.  For test-stick:
# which boots: short, all, or names.  For e2e: short, or all, with UEFI firmware as well.
TESTS ?=
# For configs: which configurations: short, all, or names.
CONFIGS ?=
# For fuzz and stress: for how many seconds, and which cases; for fuzz: how many
# cases at most.
TIME ?=
CASES ?=
SEED ?=
# For run: a static program, and which modules it runs on: stock or patched.
PROGRAM ?=
KVM ?= patched
# For results: files that an image of "make stick" wrote.
FILES ?=
# For debian13: what make is told there, such as "test LAB=amd".
JOB ?=

# Where Python finds the package pvmmio, from any folder.
export PYTHONPATH := $(CURDIR)/tools$(if $(PYTHONPATH),:$(PYTHONPATH))

# Before anything is built, for a setting that no job has, as make takes any:
SETTINGS := KERNEL KERNEL_VERSION FLAVOUR LAB KVER TREE TESTS CONFIGS TIME CASES SEED FILES PROGRAM \
	KVM JOB
$(foreach name,$(filter-out $(SETTINGS) SUDO MAKEFLAGS,$(.VARIABLES)),\
	$(if $(filter command,$(origin $(name))),\
	$(error $(name)=$($(name)): there is no such setting; there is $(SETTINGS))))
# as the environment may have any name, but for one that is easily taken for ours;
$(if $(FLAVOR),$(error FLAVOR=$(FLAVOR): there is no such setting; it is called FLAVOUR))
# the kernel's build can't be told a path with blanks;
$(if $(word 2,$(CURDIR)),$(error $(CURDIR): the path of this folder has a blank, which the kernel's\
	build can't take; move it))
# or for a setting that none of the jobs heeds: $(2) are those that do.  If it is from the
# environment, nothing looks at it;
ignored = $(if $(filter command,$(origin $(1))),$(error $(1)=$($(1)): $(or $(MAKECMDGOALS),help)\
	takes no $(1); what does is said in Makefile),$(if $(filter environment,$(origin $(1))),\
	$(eval $(1) :=)))
heeded = $(if $($(1)),$(if $(filter $(2),$(MAKECMDGOALS)),,$(call ignored,$(1))))
BUILDS := $(filter-out help packages htmldocs update-docs modules load unload results series deb \
	debian13 clean,$(MAKECMDGOALS))
$(call heeded,KERNEL,$(BUILDS))
$(call heeded,KERNEL_VERSION,$(BUILDS))
$(call heeded,FLAVOUR,$(filter-out test-debug test-kcsan configs stick test-stick,$(BUILDS)))
$(call heeded,LAB,$(filter-out build check configs stick test-stick test-series test-modules \
	test-deb,$(BUILDS)))
$(call heeded,KVER,modules load)
$(call heeded,TREE,series)
$(call heeded,TESTS,e2e regress test test-debug test-kcsan test-stick)
$(call heeded,CONFIGS,configs)
$(call heeded,TIME,fuzz stress)
$(call heeded,SEED,fuzz stress)
$(call heeded,CASES,fuzz)
$(call heeded,FILES,results)
$(call heeded,JOB,debian13)
$(call heeded,PROGRAM,run)
$(call heeded,KVM,run)

# for a machine that there isn't, or that can't take a job: their own files know, and where
# there is no Python yet, the job looks again;
quoted = '$(subst ','\'',$(1))'
MACHINES := PYTHONPATH=$(PYTHONPATH) python3 -m pvmmio.jobs.machines
REFUSAL := $(if $(LAB),$(shell $(MACHINES) $(call quoted,$(LAB)) $(MAKECMDGOALS) 2>/dev/null))
$(if $(REFUSAL),$(error $(REFUSAL)))
# for a name that nobody knows,
unknown = $(filter-out $(2),$(1))
$(if $(call unknown,$(FLAVOUR),cloud generic rt debug kcsan),$(error FLAVOUR=$(FLAVOUR): no such\
	flavour; there is cloud, generic, rt, debug, kcsan))
$(if $(call unknown,$(KVM),stock patched),$(error KVM=$(KVM): no such modules; there is stock, patched))
$(if $(filter run,$(MAKECMDGOALS)),$(if $(PROGRAM),,$(error PROGRAM= is empty; say PROGRAM=FILE,\
	a static program)))

# or for what should be a number; a seed is in hexadecimal, too.
number = $(if $($(1)),$(if $(shell printf %s $(call quoted,$($(1))) |\
	grep -Evx '[1-9][0-9]*|0x[0-9a-f]+'),$(error $(1)=$($(1)): that is not a positive number)))
$(foreach name,TIME CASES SEED,$(call number,$(name)))

# Names of ours that TESTS may have; those of the kernel's own, regress knows.
OURS := $(basename $(notdir $(wildcard tools/testing/selftests/kvm/x86_64/*_test.c)))
OURS += $(if $(filter test,$(MAKECMDGOALS)),short all)
$(if $(filter test test-debug test-kcsan,$(MAKECMDGOALS)),$(if $(call unknown,$(TESTS),$(OURS)),\
	$(error TESTS=$(call unknown,$(TESTS),$(OURS)): no such test; there is $(OURS))))

# Recipes say "exec", as make tells its child only to stop, which else is a shell.
BUILT := build/$(FLAVOUR)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.DEFAULT_GOAL := help
.PHONY: help packages build e2e nested bench update-docs profile test fuzz stress
.PHONY: regress test-debug test-kcsan test-debian test-lab check configs htmldocs shell modules load run
.PHONY: unload stick test-stick results series test-series test-modules deb test-deb debian13 clean

help: ## list the jobs
	@echo "usage: make JOB [LAB=intel|amd] [FLAVOUR=cloud|generic|rt] [KERNEL_VERSION=6.12.N]"
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST)

packages: ## install the Debian packages that the jobs need
	@command -v python3 >/dev/null || { \
		echo "installing packages: python3" >&2; \
		$(SUDO) apt-get -qq update && $(SUDO) apt-get -qq install -y python3 >/dev/null; }
	@exec python3 -m pvmmio.build.packages

build: packages ## fetch Debian's kernel, build our KVM and the tests for it
	@exec python3 -m pvmmio.build.kernel build "$(KERNEL)" "$(KERNEL_VERSION)" "$(FLAVOUR)"

e2e: build ## a stock guest, a stock QEMU and real I/O on our KVM; LAB=amd if not told, TESTS=short|all
	@exec python3 -m pvmmio.jobs.e2e.virtio $(BUILT)
	@exec python3 -m pvmmio.jobs.e2e.e2e $(BUILT) build/results "$(LAB)" "$(TESTS)"

nested: build ## our KVM in a guest of KVM, whose own guests ring that L1's doorbells
	@exec python3 -m pvmmio.jobs.nested.nested $(BUILT) build/results "$(LAB)"

bench: packages ## measure every doorbell, stock beside patched, and print the table
ifeq ($(LAB),host)
	@exec python3 -m pvmmio.jobs.bench.bench --host
endif
	@exec python3 -m pvmmio.build.kernel build "$(KERNEL)" "$(KERNEL_VERSION)" "$(FLAVOUR)"
	@exec python3 -m pvmmio.jobs.bench.bench $(BUILT) build/results "$(LAB)"
ifeq ($(LAB),)
	@exec python3 -m pvmmio.jobs.bench.profile $(BUILT) build/results quick
endif

update-docs: packages ## bring what "make bench" measured into README and the reference pages
	@exec python3 -m pvmmio.jobs.bench.update build/cloud build/results .

profile: build ## where a doorbell's instructions go, by step (emulated machines, one CPU)
	@exec python3 -m pvmmio.jobs.bench.profile $(BUILT) build/results "$(LAB)"

test: build ## run our tests on the emulated machines, or some of them; TESTS=short|all|"NAME..."
	@exec python3 -m pvmmio.jobs.test.run $(BUILT) "$(LAB)" $(TESTS)

fuzz: build ## compare random stores with emulated ones; TIME=seconds CASES=n SEED=n
	@exec python3 -m pvmmio.jobs.fuzz.fuzz $(BUILT) "$(LAB)" "$(TIME)" "$(SEED)" "$(CASES)"

stress: build ## vCPUs ring while all changes around them; TIME=seconds SEED=n
	@exec python3 -m pvmmio.jobs.fuzz.stress $(BUILT) "$(LAB)" "$(TIME)" "$(SEED)"

regress: packages ## the kernel's own KVM tests, stock beside patched; TESTS=short|all|"NAME..."
	@exec python3 -m pvmmio.jobs.regress.names "$(KERNEL)" "$(KERNEL_VERSION)" "$(FLAVOUR)" "$(TESTS)"
	@exec python3 -m pvmmio.build.kernel build "$(KERNEL)" "$(KERNEL_VERSION)" "$(FLAVOUR)"
	@exec python3 -m pvmmio.jobs.regress.regress $(BUILT) "$(LAB)" "$(TESTS)"

test-debug: packages ## run all tests on a kernel with KASAN, lockdep, kmemleak; LAB=amd if not told
	@exec python3 -m pvmmio.build.kernel build "$(KERNEL)" "$(KERNEL_VERSION)" debug
	@exec python3 -m pvmmio.jobs.debug.debug build/debug "$(LAB)" $(TESTS)

test-kcsan: packages ## run the tests with several vCPUs on a kernel that looks for data races (AMD, two CPUs)
	@exec python3 -m pvmmio.build.kernel build "$(KERNEL)" "$(KERNEL_VERSION)" kcsan
	@exec python3 -m pvmmio.jobs.debug.debug build/kcsan "$(LAB)" $(TESTS)

test-debian: build ## load and unload, kvm_stat, perf, trace-cmd in a booted Debian (emulated AMD machine)
	@exec python3 -m pvmmio.jobs.debian.boot $(BUILT) "$(KERNEL)" "$(KERNEL_VERSION)"

test-lab: build ## test the lab itself: timeouts, panics, shells (10 minutes)
	@exec python3 -m pvmmio.jobs.test.units $(BUILT) "$(LAB)"

check: build ## checkpatch, sparse, W=1, shellcheck, pylint, mypy, licence tags
	@exec python3 -m pvmmio.jobs.check.check $(BUILT)

configs: packages ## build KVM with our code in other configurations; CONFIGS=short|all|"NAME..."
	@exec python3 -m pvmmio.jobs.configs.configs build "$(KERNEL)" "$(KERNEL_VERSION)" "$(CONFIGS)"

htmldocs: packages ## build the reference pages with Sphinx: build/html/pv-mmio.html
	@exec python3 -m pvmmio.docs.htmldocs build/html

modules: packages ## build our KVM modules for one of Debian's kernels, KVER=release (default: this one)
	@exec python3 -m pvmmio.jobs.modules.modules build "$(KVER)"

test-modules: build ## "make modules" makes of headers alone what the whole source makes
	@exec python3 -m pvmmio.jobs.modules.check build "$(FLAVOUR)"

deb: packages ## make a Debian package of our modules, which DKMS builds on each host: build/deb/
	@exec python3 -m pvmmio.jobs.deb.deb build/deb

test-deb: build ## install that package in a Debian system, without a kernel that runs, and purge it
	@exec python3 -m pvmmio.jobs.deb.check $(BUILT) build/deb "$(KERNEL)" "$(KERNEL_VERSION)"

load: ## on this host, replace KVM by what "make modules" made; not while VMs run
	@$(SUDO) tools/host/kvm-modules load "build/modules/$(KVER)"

unload: ## on this host, put the KVM back that "make load" replaced
	@$(SUDO) tools/host/kvm-modules unload

stick: packages ## build an image that measures on any hardware: build/pv-mmio-bench.img
	@exec python3 -m pvmmio.build.kernel build "$(KERNEL)" "$(KERNEL_VERSION)" generic
	@exec python3 -m pvmmio.jobs.stick.image build/generic build/pv-mmio-bench.img

test-stick: stick ## boot that image on emulated machines, and read its results; TESTS=short|all|"NAME..."
	@exec python3 -m pvmmio.jobs.stick.boots build/generic build/pv-mmio-bench.img "$(TESTS)"

results: packages ## add what an image measured to the page on hardware, FILES="results.json..."
	@exec python3 -m pvmmio.jobs.stick.hardware Documentation/virt/kvm/x86 $(FILES)

series: packages ## patches with cover letter for "git am" on a kernel's source, TREE=~/linux: build/series/
	@exec python3 -m pvmmio.jobs.series.series build/series "$(TREE)"

test-series: build ## apply these patches one by one to Debian's kernel, and build KVM after each
	@exec python3 -m pvmmio.jobs.series.check $(BUILT) build/series-check

shell: build ## a shell on one machine, LAB=intel or LAB=amd
	@exec python3 -m pvmmio.lab.lab shell $(if $(LAB),--lab "$(LAB)") --work "build/lab/shell" \
		--kernel $(BUILT)/vmlinuz $(patsubst $(BUILT)/tests/%,--file $(BUILT)/tests/%,\
		$(wildcard $(BUILT)/tests/*)) \
		--kvm stock=$(BUILT)/kvm/stock --kvm patched=$(BUILT)/kvm/patched

debian13: packages ## run one of these jobs in a Debian 13, JOB="test LAB=amd": build/debian13/
	@exec python3 -m pvmmio.jobs.debian13.debian13 build/debian13 $(call quoted,$(JOB))

run: build ## run a static program of yours on one machine, PROGRAM=FILE LAB=intel|amd KVM=stock|patched
	@exec python3 -m pvmmio.lab.lab run $(if $(LAB),--lab "$(LAB)") --work build/lab/run --timeout 3600 \
		--kernel $(BUILT)/vmlinuz --file "$(PROGRAM):/lab/program" \
		--kvm stock=$(BUILT)/kvm/stock --kvm patched=$(BUILT)/kvm/patched \
		-- with-kvm $(KVM) /lab/program

clean: ## remove what was built here; the cache outside stays
	rm -rf build
