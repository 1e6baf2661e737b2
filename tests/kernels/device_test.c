/* Each kernel on a GPU against its reference, byte by byte: sizes around a warp, addresses that are
 * aligned to an element alone, poisoned outputs whose surroundings have to stay. Run against the
 * stand-in it proves the launches only, since that runs the references. 77 without a GPU.
 *
 * `device_test large` takes arrays of 2^31 + 1 elements, where the device has the memory. */
#include "guarded.h"

#include <stdbool.h>
#include <stdio.h>

#include "compute/compute.h"
#include "kernels/stream.h"

enum { SKIPPED = 77, PASSES = 4 };
#define LARGE ((UINT64_C(1) << 31) + 1)

static troupe_kernels *kernels;

static troupe_gpu_function function_of(const char *name)
{
    troupe_gpu_function function;

    assert_int_equal(
        compute_function(kernels, &kernels->stream_module, kernel_image_stream(), name, &function),
        TROUPE_OK);
    return function;
}

static void run(const char *name, uint64_t n, void *const *arguments)
{
    if (n > 0)
        assert_int_equal(compute_launch(kernels, function_of(name), STREAM_BLOCK, n, arguments),
                         TROUPE_OK);
}

/* Device memory that holds what a guarded array does, its guards included. */
struct mirror {
    struct guarded room;
    double *host;
    troupe_gpu_memory memory; /* of the whole room */
    troupe_gpu_memory array;  /* of the array in it */
};

static uint64_t mirror_bytes(const struct mirror *mirror)
{
    return mirror->room.offset + mirror->room.bytes + GUARD_BYTES;
}

static void mirror_new(struct mirror *mirror, uint64_t n, size_t offset, uint64_t *random)
{
    mirror->host = guarded_new(&mirror->room, n * sizeof(double), offset);
    for (uint64_t i = 0; random != NULL && i < n; i++)
        mirror->host[i] =
            (double)(random_next(random) % 1000003); /* so that fusing changes nothing */
    assert_int_equal(troupe_gpu_alloc(kernels->gpu, mirror_bytes(mirror), &mirror->memory),
                     TROUPE_OK);
    assert_int_equal(
        troupe_gpu_copy_in(kernels->gpu, mirror->room.room, mirror_bytes(mirror), mirror->memory),
        TROUPE_OK);
    mirror->array.address = mirror->memory.address + mirror->room.offset;
}

/* Takes back what the device has. */
static void mirror_fetch(struct mirror *mirror)
{
    assert_int_equal(troupe_gpu_stream_synchronize(kernels->gpu, kernels->stream), TROUPE_OK);
    assert_int_equal(
        troupe_gpu_copy_out(kernels->gpu, mirror->memory, mirror_bytes(mirror), mirror->room.room),
        TROUPE_OK);
}

static void mirror_end(struct mirror *mirror)
{
    guarded_end(&mirror->room);
    assert_int_equal(troupe_gpu_free(kernels->gpu, mirror->memory), TROUPE_OK);
}

/* Runs one of the four passes on both sides. */
static void pass_run(int pass, uint64_t n, struct mirror *to, struct mirror *left,
                     struct mirror *right, double *wanted)
{
    double factor = STREAM_SCALE;
    void *const all[] = { &to->array, &left->array, &right->array, &factor, &n };

    if (pass == 0) {
        run("stream_copy", n, (void *[]){ all[0], all[1], all[4] });
        stream_copy_reference(wanted, left->host, n);
    } else if (pass == 1) {
        run("stream_scale", n, (void *[]){ all[0], all[1], all[3], all[4] });
        stream_scale_reference(wanted, left->host, factor, n);
    } else if (pass == 2) {
        run("stream_add", n, (void *[]){ all[0], all[1], all[2], all[4] });
        stream_add_reference(wanted, left->host, right->host, n);
    } else {
        run("stream_triad", n, all);
        stream_triad_reference(wanted, left->host, right->host, factor, n);
    }
}

static void passes_are_right(uint64_t n, size_t offset)
{
    uint64_t random = n + offset;

    for (int pass = 0; pass < PASSES; pass++) {
        double *wanted = malloc(n * sizeof *wanted + 1);
        struct mirror to, left, right;

        assert_non_null(wanted);
        mirror_new(&to, n, offset, NULL);
        mirror_new(&left, n, offset, &random);
        mirror_new(&right, n, offset, &random);
        pass_run(pass, n, &to, &left, &right, wanted);
        mirror_fetch(&to);
        assert_memory_equal(to.host, wanted, n * sizeof *wanted);
        mirror_end(&to);
        mirror_end(&left);
        mirror_end(&right);
        free(wanted);
    }
}

static void every_pass_at_every_size(void **state)
{
    (void)state;
    for (int i = 0; i < GUARDED_SIZES; i++) {
        passes_are_right(guarded_sizes[i], 0);
        passes_are_right(guarded_sizes[i], sizeof(double));
    }
}

static uint64_t wrong_on_device(struct mirror *array, uint64_t n)
{
    uint64_t wrong = 0;
    double factor = 1;
    void *const arguments[] = { &array->array, &factor, &n, &kernels->results.memory };

    assert_int_equal(compute_results(kernels, sizeof wrong), TROUPE_OK);
    assert_int_equal(troupe_gpu_fill_async(kernels->gpu, kernels->results.memory, 0, sizeof wrong,
                                           kernels->stream),
                     TROUPE_OK);
    run("stream_check", n, arguments);
    assert_int_equal(compute_fetch(kernels, sizeof wrong, &wrong), TROUPE_OK);
    return wrong;
}

static void fill_and_check_agree_with_the_host(void **state)
{
    (void)state;
    for (int i = 1; i < GUARDED_SIZES; i++) {
        uint64_t n = guarded_sizes[i], wrong = 0, last = n - 1;
        double nothing = 0;
        struct mirror array;

        mirror_new(&array, n, sizeof(double), NULL);
        assert_int_equal(wrong_on_device(&array, n), n);
        run("stream_fill", n, (void *[]){ &array.array, &n });
        mirror_fetch(&array);
        stream_check_reference(array.host, 1, n, &wrong);
        assert_int_equal(wrong, 0);
        assert_int_equal(wrong_on_device(&array, n), 0);
        assert_int_equal(
            troupe_gpu_copy_in(kernels->gpu, &nothing, sizeof nothing,
                               (troupe_gpu_memory){ array.array.address + last * sizeof nothing }),
            TROUPE_OK);
        assert_int_equal(wrong_on_device(&array, n), 1);
        mirror_end(&array);
    }
}

/* Indices of more than 31 bits: three arrays of 16 GiB and one element. */
static void two_to_the_31_and_one(void **state)
{
    const troupe_stream_options options = { .elements = LARGE };
    uint64_t free_bytes, total_bytes;
    troupe_stream_result result;

    (void)state;
    assert_int_equal(troupe_gpu_memory_info(kernels->gpu, &free_bytes, &total_bytes), TROUPE_OK);
    if (free_bytes < 4 * LARGE * sizeof(double)) {
        printf("skipped: %llu bytes of device memory are free, and %llu are needed\n",
               (unsigned long long)free_bytes, (unsigned long long)(4 * LARGE * sizeof(double)));
        skip();
    }
    assert_int_equal(troupe_kernels_stream(kernels, &options, &result), TROUPE_OK);
    assert_int_equal(result.elements, LARGE);
    assert_int_equal(result.wrong, 0);
}

static int place_close(void **state)
{
    (void)state;
    troupe_kernels_close(kernels);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest small[] = {
        cmocka_unit_test(every_pass_at_every_size),
        cmocka_unit_test(fill_and_check_agree_with_the_host),
    };
    const struct CMUnitTest large[] = { cmocka_unit_test(two_to_the_31_and_one) };
    int result = troupe_kernels_open(TROUPE_KERNELS_GPU, &kernels);

    if (result != TROUPE_OK) {
        printf("%s: %s\n", result == TROUPE_NO_GPU ? "skipped" : "failed", troupe_last_error());
        return result == TROUPE_NO_GPU ? SKIPPED : 1;
    }
    if (argc > 1 && strcmp(argv[1], "large") == 0)
        return cmocka_run_group_tests(large, NULL, place_close);
    return cmocka_run_group_tests(small, NULL, place_close);
}
