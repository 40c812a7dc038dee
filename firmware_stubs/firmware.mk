# One port, linked: make -f firmware.mk PORT=qemu_mps2_an386 BUILD=/tmp/firmware
#
# ports/$(PORT)/board.mk says PREFIX, PACKAGES (Debian's, which hold the compiler), CPU, ISA (a folder of runtime/ whose
# files replace those of the same name in kernels/), SHARED (sources of ports/ beside its own), LINK and TARGET; ALONE, where
# the runtime by itself is linked in another way than the compiler does by default; MLPERF.

PORT ?= host
BUILD ?= ../build/firmware/$(PORT)
ISA := portable
include ports/$(PORT)/board.mk

CC := $(PREFIX)gcc
VERSION ?= 0
TABLE ?= runtime/eq_kernels.c
FRONTEND ?= runtime/frontend
MAIN ?= ports/main.c
# Whose signatures images must have: of edgeq/firmware, or nobody's.
TRUST ?= ports/no_trust.c
# 1: the firmware is also a device under test of MLPerf Tiny, for 5 KB of flash on a Cortex-M4.
MLPERF ?= 0
NAMES := $(sort $(notdir $(wildcard runtime/kernels/*.c runtime/$(ISA)/*.c)))
KERNELS := $(foreach name,$(NAMES),$(firstword $(wildcard runtime/$(ISA)/$(name) runtime/kernels/$(name))))
RUNTIME := $(filter-out runtime/eq_kernels.c,$(wildcard runtime/*.c)) $(TABLE) $(KERNELS) \
	$(wildcard $(FRONTEND)/*.c)
CORE := $(wildcard core/*.c)
SOURCES := $(RUNTIME) $(CORE) $(wildcard ports/$(PORT)/*.c) $(SHARED) $(MAIN) $(TRUST)
INCLUDE := $(addprefix -I,include runtime runtime/kernels core ports $(sort $(dir $(SHARED))))
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
COMPILE = $(CC) -std=c99 $(WARN) $(CPU) -O2 -ffunction-sections -fdata-sections $(INCLUDE) \
	-DEQ_TARGET='"$(TARGET)"' -DEQ_VERSION='"$(VERSION)"' $(if $(filter 1,$(MLPERF)),-DEQ_MLPERF) $(CFLAGS)
objects = $(patsubst %.c,$(BUILD)/%.o,$(notdir $(1)))
# What a program that links the runtime calls.
API := eq_image_peek eq_model_open eq_model_reset eq_begin eq_step eq_invoke eq_next_kind eq_input eq_output \
	eq_input_info eq_output_info eq_golden \
	$(addprefix eq_frontend_,open begin bytes feed step goldens golden_begin golden_compare)

.PHONY: all facts
all: $(BUILD)/firmware.elf

facts: ## what builds it, for edgeq/firmware
	@echo "compiler=$(CC)"
	@echo "size=$(PREFIX)size"
	@echo "packages=$(PACKAGES)"
	@echo "core=$(notdir $(CORE:.c=.o))"

define object
$(BUILD)/$(notdir $(1:.c=.o)): $(1) | $(BUILD)
	$$(COMPILE) -MMD -MP -c $$< -o $$@
endef
$(foreach source,$(SOURCES),$(eval $(call object,$(source))))
# It computes nothing that takes time.
$(patsubst core/%.c,$(BUILD)/%.o,$(wildcard core/eq_mlperf*.c)): COMPILE += -Os

$(BUILD):
	mkdir -p $@

$(BUILD)/firmware.elf: $(call objects,$(SOURCES)) $(wildcard ports/$(PORT)/*.ld ports/*.ld)
	$(CC) $(CPU) $(CFLAGS) -Wl,--gc-sections $(LINK) $(filter %.o,$^) -o $@

$(BUILD)/runtime.elf: $(call objects,$(RUNTIME)) ## the runtime by itself, to be measured; it does not run
	$(CC) $(CPU) -nostartfiles $(ALONE) -Wl,--gc-sections -Wl,-e0 $(addprefix -u ,$(API)) $^ -o $@

-include $(wildcard $(BUILD)/*.d)
