/* A kernel on every rank through Troupe's own calls: the program links no CUDA, and says so and
 * computes on the CPU where there is none.
 *
 *   troupe run -n 4 ./gpu_driver
 *
 * Each rank adds its number to the numbers 0 to 999999. The kernel is PTX, which any GPU's driver
 * compiles; nvcc -fatbin makes faster-loading code of a .cu file, which loads the same way. */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/gpu.h>
#include <troupe/troupe.h>

enum { N = 1000000, BLOCK = 256 };

/* __global__ void add(float *values, float more, int n): values[i] += more, a thread for each i. */
static const char add_ptx[] = ".version 6.3\n"
                              ".target sm_75\n"
                              ".address_size 64\n"
                              ".visible .entry add(.param .u64 values, .param .f32 more,\n"
                              "                    .param .u32 n)\n"
                              "{\n"
                              "    .reg .pred %past;\n"
                              "    .reg .f32 %f<3>;\n"
                              "    .reg .b32 %r<6>;\n"
                              "    .reg .b64 %d<4>;\n"
                              "    ld.param.u64 %d1, [values];\n"
                              "    ld.param.f32 %f1, [more];\n"
                              "    ld.param.u32 %r1, [n];\n"
                              "    mov.u32 %r2, %ctaid.x;\n"
                              "    mov.u32 %r3, %ntid.x;\n"
                              "    mov.u32 %r4, %tid.x;\n"
                              "    mad.lo.s32 %r5, %r2, %r3, %r4;\n"
                              "    setp.ge.s32 %past, %r5, %r1;\n"
                              "    @%past bra done;\n"
                              "    cvta.to.global.u64 %d2, %d1;\n"
                              "    mul.wide.s32 %d3, %r5, 4;\n"
                              "    add.s64 %d2, %d2, %d3;\n"
                              "    ld.global.f32 %f2, [%d2];\n"
                              "    add.f32 %f2, %f2, %f1;\n"
                              "    st.global.f32 [%d2], %f2;\n"
                              "done:\n"
                              "    ret;\n"
                              "}\n";

/* On the rank's GPU; what it takes there goes when the process ends, so no failure leaks. */
static int add_on_gpu(troupe_gpu gpu, float *values, float more)
{
    troupe_gpu_module module;
    troupe_gpu_function add;
    troupe_gpu_memory memory;
    int n = N, result = troupe_gpu_module_load(gpu, add_ptx, sizeof add_ptx - 1, &module);
    void *arguments[] = { &memory.address, &more, &n };
    const troupe_gpu_shape shape = { .grid = { (N + BLOCK - 1) / BLOCK }, .block = { BLOCK } };

    if (result == TROUPE_OK)
        result = troupe_gpu_function_get(gpu, module, "add", &add);
    if (result == TROUPE_OK)
        result = troupe_gpu_alloc(gpu, N * sizeof *values, &memory);
    if (result == TROUPE_OK)
        result = troupe_gpu_copy_in(gpu, values, N * sizeof *values, memory);
    if (result == TROUPE_OK)
        result = troupe_gpu_launch(gpu, add, &shape, arguments);
    if (result == TROUPE_OK)
        result = troupe_gpu_copy_out(gpu, memory, N * sizeof *values, values);
    if (result == TROUPE_OK)
        result = troupe_gpu_module_unload(gpu, module);
    return result;
}

static void add_on_cpu(float *values, float more)
{
    for (int i = 0; i < N; i++)
        values[i] += more;
}

static int values_wrong(const float *values, float more)
{
    int wrong = 0;

    for (int i = 0; i < N; i++)
        wrong += values[i] != (float)i + more;
    return wrong;
}

static int runner(const void *argument, size_t bytes)
{
    float more = (float)troupe_rank(), *values = malloc(N * sizeof *values);
    troupe_gpu gpu;
    troupe_gpu_properties properties = { .name = "the CPU" };
    int result, wrong;

    (void)argument;
    (void)bytes;
    if (values == NULL)
        return 1;
    for (int i = 0; i < N; i++)
        values[i] = (float)i;
    result = troupe_gpu_open(TROUPE_GPU_OWN, &gpu);
    if (result == TROUPE_OK)
        result = troupe_gpu_properties_get(TROUPE_GPU_OWN, &properties);
    if (result == TROUPE_OK)
        result = add_on_gpu(gpu, values, more);
    if (result == TROUPE_NO_GPU) {
        add_on_cpu(values, more);
        result = TROUPE_OK;
    }
    if (result != TROUPE_OK)
        fprintf(stderr, "rank %d: %s\n", troupe_rank(), troupe_last_error());
    wrong = values_wrong(values, more);
    printf("rank %d on %s: %d of %d numbers are wrong\n", troupe_rank(), properties.name, wrong, N);
    free(values);
    return result == TROUPE_OK && wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    troupe_process *crew;
    int ranks, failed = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK) {
        fprintf(stderr, "%s\n", troupe_last_error());
        return 1;
    }
    ranks = troupe_world_size();
    crew = calloc((size_t)ranks, sizeof *crew);
    for (int i = 0; crew != NULL && i < ranks; i++) {
        const troupe_process_options there = { .where = TROUPE_ON_RANK, .place = i };

        failed += troupe_process_start(runner, NULL, 0, &there, &crew[i]) != TROUPE_OK;
    }
    for (int i = 0; crew != NULL && i < ranks; i++) {
        troupe_process_status status = { .exit_code = -1 };

        troupe_process_join(crew[i], TROUPE_FOREVER);
        troupe_process_status_get(crew[i], &status);
        failed += status.exit_code != 0;
    }
    free(crew);
    return troupe_finalize(failed == 0 && crew != NULL ? 0 : 1);
}
