TARGET ?= host
PACKAGES := gcc
CPU := -D_DEFAULT_SOURCE -DEQ_ARCH='"$(shell uname -m)"'
SHARED := ports/memory_flash.c
MLPERF ?= 1
