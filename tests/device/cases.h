/* What the tests of the device floor share. CUDA is initialised once in a process and reads its
 * environment then, so each case runs in a child that sets its own. Assertions in a child are
 * CHECKs: a line on standard error, and the child's end. */
#ifndef TROUPE_TESTS_DEVICE_CASES_H
#define TROUPE_TESTS_DEVICE_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "standin/standin.h"
#include "troupe/gpu.h"

/* Ends the child with a line when it does not hold. */
#define CHECK(holds) cases_check((holds), #holds, __FILE__, __LINE__)
#define CHECK_RESULT(result, wanted) cases_result((result), (wanted), __FILE__, __LINE__)

/* The last error must contain the text. */
#define CHECK_SAYS(text) cases_says((text), __FILE__, __LINE__)

void cases_check(bool holds, const char *text, const char *file, int line);
void cases_result(int result, int wanted, const char *file, int line);
void cases_says(const char *text, const char *file, int line);

/* Runs body(argument) in a child with these variables set, "NAME=value" each, NULL at the end; a
 * name alone is unset. The test fails when a CHECK failed, or the child died. */
void cases_run(const char *const *environment, void (*body)(const void *), const void *argument);

/* The same in a process that asserts nothing: 0 when all CHECKs held. */
int cases_status(const char *const *environment, void (*body)(const void *), const void *argument);

/* An opened device; the child ends when there is none. */
troupe_gpu cases_open(int device);

/* PTX that the stand-in takes, and the kernel that it then has: to[i] = from[i] + add, n floats. */
extern const char cases_ptx[];
void cases_kernel_register(void);
troupe_gpu_function cases_kernel(troupe_gpu gpu, troupe_gpu_module *module);
int cases_kernel_launch(troupe_gpu gpu, troupe_gpu_function function, troupe_gpu_stream stream,
                        troupe_gpu_memory from, float add, int n, troupe_gpu_memory to);

#endif
