/* A pool maps a function over numbers: their digits' sums, in order; one of them kills its worker
 * the first time, and another one fails.
 *
 * usage: pool_map [numbers] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <troupe/troupe.h>

static int digits(const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
    int number = *(const int *)input, sum = 0;

    (void)input_bytes, (void)output_bytes;
    if (number == 13 && troupe_task_attempt() == 1)
        raise(SIGKILL);
    if (number == 17)
        return troupe_task_fail(1, "%d is the number nobody likes", number);
    for (; number > 0; number /= 10)
        sum += number % 10;
    *(int *)output = sum;
    return 0;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)atol(argv[1]) : 20;
    int *numbers = calloc(n + 1, sizeof *numbers), *sums = calloc(n + 1, sizeof *sums), result;
    troupe_pool pool;

    if (numbers == NULL || sums == NULL || troupe_init(&argc, &argv) != TROUPE_OK ||
        troupe_pool_create(NULL, &pool) != TROUPE_OK)
        return troupe_finalize(1);
    for (size_t i = 0; i < n; i++)
        numbers[i] = (int)i;
    result = troupe_pool_map(pool, digits, numbers, sizeof *numbers, n, sums, sizeof *sums);
    if (result != TROUPE_OK)
        printf("%s: %s\n", troupe_result_name(result), troupe_last_error());
    for (size_t i = 0; i < n; i++)
        printf("%d: %d\n", numbers[i], sums[i]);
    troupe_pool_close(pool);
    troupe_pool_join(pool, TROUPE_FOREVER);
    troupe_pool_destroy(pool);
    free(numbers);
    free(sums);
    return troupe_finalize(0);
}
