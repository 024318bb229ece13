/* Kernels without vector instructions: eight bytes at a time in a plain register. */
#include "inline.h"
#include "kernels.h"

const mck_json_kernels mck_json_kernels_portable = {"portable", mck_plain_run, mck_utf8_run};
