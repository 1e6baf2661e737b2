/* Masks: a table of what is read (tests/data/masks.txt: add a line, get a case), and what each
 * mode writes. */
#include "topo_test.h"

#include <stdlib.h>
#include <string.h>

#include "topo/mask.h"

enum { LINE = 512, COLUMNS = 4 };

/* ---- the table -------------------------------------------------------------------------- */

struct row {
    char line[LINE];
    int number;
    char *columns[COLUMNS];
};

static bool row_split(struct row *row)
{
    char *rest = row->line;

    rest[strcspn(rest, "\n")] = '\0';
    if (*rest == '\0' || *rest == '#')
        return false;
    for (int i = 0; i < COLUMNS; i++) {
        char *end = strstr(rest, " | ");

        row->columns[i] = rest;
        if (i + 1 == COLUMNS)
            break;
        if (end == NULL)
            fail_msg("masks.txt:%d: %d columns are wanted", row->number, COLUMNS);
        *end = '\0';
        rest = end + 3;
    }
    return true;
}

/* Takes the quotes off, and turns \t into a tabulator. NULL for <unset>. */
static const char *value_of(char *column)
{
    char *tab;

    if (strcmp(column, "<unset>") == 0)
        return NULL;
    column[strlen(column) - 1] = '\0';
    tab = strstr(column, "\\t");
    if (tab != NULL) {
        *tab = '\t';
        memmove(tab + 1, tab + 2, strlen(tab + 2) + 1);
    }
    return column + 1;
}

static void expect_pool(const struct row *row, const struct mask_pool *pool, const char *expected)
{
    struct text text = { 0 };

    for (size_t i = 0; i < pool->count; i++)
        text_append(&text, "%s%zu", i > 0 ? " " : "", pool->gpus[i]);
    if (pool->count == 0)
        text_append(&text, "none");
    if (strcmp(text.data, expected) != 0)
        fail_msg("masks.txt:%d: got %s, not %s", row->number, text.data, expected);
    text_free(&text);
}

static void row_check(const struct row *row)
{
    struct mask_given given = { .value = value_of(row->columns[1]) };
    char *expected = row->columns[3], *note = strstr(expected, " ~ ");
    struct mask_pool pool = { 0 };
    struct machine machine;
    int result;

    if (strncmp(row->columns[2], "order=", 6) == 0)
        given.order = row->columns[2] + 6;
    given.several_nodes = strcmp(row->columns[2], "nodes") == 0;
    machine_of(row->columns[0], &machine);
    result = mask_read(&machine, &given, &pool);
    if (*expected == '!') {
        if (result != TROUPE_BAD_ARGUMENT)
            fail_msg("masks.txt:%d: no error", row->number);
        if (strstr(troupe_last_error(), expected + 2) == NULL)
            fail_msg("masks.txt:%d: %s", row->number, troupe_last_error());
    } else {
        if (result != TROUPE_OK)
            fail_msg("masks.txt:%d: %s", row->number, troupe_last_error());
        if (note != NULL)
            *note = '\0';
        expect_pool(row, &pool, expected);
        if ((note == NULL) != (pool.note == NULL) ||
            (note != NULL && strstr(pool.note, note + 3) == NULL))
            fail_msg("masks.txt:%d: the note is: %s", row->number,
                     pool.note != NULL ? pool.note : "none");
        mask_pool_free(&pool);
    }
    machine_free(&machine);
}

static void masks_are_read_as_the_table_says(void **state)
{
    FILE *file = fopen(TOPO_DATA "/masks.txt", "r");
    struct row row = { .number = 0 };
    int cases = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(row.line, sizeof row.line, file) != NULL) {
        row.number++;
        if (row_split(&row)) {
            row_check(&row);
            cases++;
        }
    }
    fclose(file);
    assert_true(cases >= 40);
}

static void denied_gpus_are_named_as_such(void **state)
{
    char pci[] = "0000:17:00.0", uuid[] = "GPU-12345678", name[] = "denied";
    struct machine_gpu denied = { .uuid = uuid };
    struct machine machine = { .name = name, .denied = &denied, .denied_count = 1 };
    struct mask_given given = { .value = "0" };
    struct mask_pool pool;

    (void)state;
    memcpy(denied.pci, pci, sizeof pci);
    assert_int_equal(mask_read(&machine, &given, &pool), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "denied"));
    given.value = "GPU-1234";
    assert_int_equal(mask_read(&machine, &given, &pool), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "may not open"));
}

/* A mask as long as an environment may hold must not overflow anything. */
static void long_masks_are_errors_like_others(void **state)
{
    enum { LENGTH = 100000 };
    char *value = malloc(LENGTH + 1);
    struct mask_given given = { .value = value };
    struct mask_pool pool;
    struct machine machine;

    (void)state;
    assert_non_null(value);
    memset(value, 'z', LENGTH);
    value[LENGTH] = '\0';
    machine_of("sixteen", &machine);
    assert_int_equal(mask_read(&machine, &given, &pool), TROUPE_BAD_ARGUMENT);
    for (size_t i = 0; i < LENGTH; i++)
        value[i] = i % 2 == 0 ? '1' : ',';
    assert_int_equal(mask_read(&machine, &given, &pool), TROUPE_BAD_ARGUMENT);
    assert_non_null(strstr(troupe_last_error(), "same GPU"));
    free(value);
    machine_free(&machine);
}

/* ---- writing ---------------------------------------------------------------------------- */

struct written {
    const char *machine;
    const char *given; /* NULL: unset */
    size_t ranks, per_rank;
    enum plan_mode mode;
    size_t rank;
    const char *value; /* NULL: left as it is */
    const char *order;
};

static void expect_text(const char *got, const char *expected)
{
    if (expected == NULL)
        assert_null(got);
    else
        assert_string_equal(got, expected);
}

static void written_check(const struct written *written)
{
    struct plan_options options = { written->ranks, written->per_rank,
                                    written->mode,  PLAN_BIND_CORE,
                                    NULL,           0 };
    struct mask_given given = { .value = written->given };
    struct machine machine;
    struct mask_pool pool;
    struct plan plan;
    const char *order;
    char *value;

    machine_of(written->machine, &machine);
    assert_int_equal(mask_read(&machine, &given, &pool), TROUPE_OK);
    assert_int_equal(plan_make(&machine, pool.gpus, pool.count, &options, &plan), TROUPE_OK);
    assert_int_equal(
        mask_write(&machine, &given, &pool, &plan, written->mode, written->rank, &value, &order),
        TROUPE_OK);
    expect_text(value, written->value);
    expect_text(order, written->order);
    free(value);
    plan_free(&plan);
    mask_pool_free(&pool);
    machine_free(&machine);
}

static void each_mode_writes_its_mask(void **state)
{
    static const char one[] = "GPU-00000013-aaaa-bbbb-cccc-000000014443";
    static const char mig[] = "MIG-000000a1-1111-5222-8333-000000000001";
    const struct written table[] = {
        { "domains", NULL, 4, 0, PLAN_ISOLATE, 0, "0", MASK_ORDER_PCI },
        { "domains", NULL, 4, 0, PLAN_ISOLATE, 3, "3", MASK_ORDER_PCI },
        { "domains", NULL, 4, 0, PLAN_PEER, 2, "2,0,1,3", MASK_ORDER_PCI },
        { "domains", NULL, 4, 0, PLAN_ORDERED, 2, "0,1,2,3", MASK_ORDER_PCI },
        { "domains", NULL, 2, 0, PLAN_ISOLATE, 1, "2,3", MASK_ORDER_PCI },
        { "domains", NULL, 2, 1, PLAN_ISOLATE, 1, "2", MASK_ORDER_PCI },
        { "domains", "1,0", 2, 0, PLAN_ISOLATE, 0, "1", MASK_ORDER_PCI },
        { "domains", "1,0", 2, 0, PLAN_ISOLATE, 1, "0", MASK_ORDER_PCI },
        { "domains", "1,0", 2, 0, PLAN_ORDERED, 1, NULL, NULL },
        { "domains", "1,0", 2, 0, PLAN_PEER, 0, NULL, NULL },
        { "domains", "1,0", 2, 0, PLAN_PEER, 1, "0,1", MASK_ORDER_PCI },
        { "domains", "2", 8, 0, PLAN_ISOLATE, 5, NULL, NULL },
        { "domains", "", 3, 0, PLAN_ISOLATE, 1, NULL, NULL },
        { "domains", "-1", 3, 0, PLAN_ORDERED, 1, NULL, NULL },
        { "eight-numa-out-of-order", NULL, 8, 0, PLAN_ISOLATE, 0, one, NULL },
        { "eight-numa-out-of-order", "GPU-00000013", 2, 0, PLAN_ISOLATE, 1, NULL, NULL },
        { "mig", NULL, 6, 0, PLAN_ISOLATE, 0, mig, NULL },
        { "mig", NULL, 6, 0, PLAN_PEER, 0, mig, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        written_check(&table[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_read_as_the_table_says),
        cmocka_unit_test(denied_gpus_are_named_as_such),
        cmocka_unit_test(long_masks_are_errors_like_others),
        cmocka_unit_test(each_mode_writes_its_mask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
