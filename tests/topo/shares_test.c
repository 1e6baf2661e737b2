/* GPUs for processes apart from the plan: so many go to those that the fewest use, a list stays in
 * its order, and what cannot be is named. */
#include "topo_test.h"

#include <stdlib.h>
#include <string.h>

#include "topo/shares.h"

#define TOPOLOGIES TOPO_DATA "/topologies/"

static struct topo_shares *opened(const char *file, int local_rank, int local_size,
                                  const char *mask)
{
    struct topo_options options = { .mode = PLAN_ISOLATE, .bind = PLAN_BIND_NONE };
    struct topo_shares *shares;

    options.topology = file;
    options.mask = mask;
    assert_int_equal(topo_shares_open(local_rank, local_size, &options, NULL, &shares), TROUPE_OK);
    return shares;
}

/* Takes so many and says which; the place is as it should be beside that. */
static struct topo_taken take(struct topo_shares *shares, size_t count, const char *mask)
{
    struct topo_taken taken = { 0 };
    struct topo_place place = { 0 };

    assert_int_equal(topo_shares_take(shares, NULL, count, &taken, &place), TROUPE_OK);
    assert_string_equal(place.cuda_visible_devices, mask);
    assert_string_equal(place.cuda_device_order, "PCI_BUS_ID");
    assert_non_null(strstr(place.gpu, "NVIDIA A100"));
    assert_int_equal(taken.count, count);
    topo_place_free(&place);
    return taken;
}

/* A rank alone has all four; the fifth process shares the first's. */
static void the_least_used_comes_first(void **state)
{
    static const char *const expected[] = { "0", "1", "2", "3", "0", "1" };
    struct topo_shares *shares = opened(TOPOLOGIES "domains.xml", 0, 1, NULL);
    struct topo_taken taken[6], again;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        taken[i] = take(shares, 1, expected[i]);
    topo_shares_give(shares, &taken[3]);
    again = take(shares, 1, "3");
    topo_shares_give(shares, &again);
    again = take(shares, 3, "3,2,0");
    topo_shares_give(shares, &again);
    for (size_t i = 0; i < 6; i++)
        if (i != 3)
            topo_shares_give(shares, &taken[i]);
    again = take(shares, 4, "0,1,2,3");
    topo_shares_give(shares, &again);
    topo_shares_close(shares);
}

/* Its own rank's first, then round from there: the keepers of a node come out even. */
static void each_rank_begins_with_its_own(void **state)
{
    static const char *const expected[2][4] = { { "0", "1", "2", "3" }, { "2", "3", "0", "1" } };

    (void)state;
    for (int rank = 0; rank < 2; rank++) {
        struct topo_shares *shares = opened(TOPOLOGIES "domains.xml", rank, 2, NULL);
        struct topo_taken taken[4];

        for (size_t i = 0; i < 4; i++)
            taken[i] = take(shares, 1, expected[rank][i]);
        for (size_t i = 0; i < 4; i++)
            topo_shares_give(shares, &taken[i]);
        topo_shares_close(shares);
    }
}

static void the_mask_is_the_pool(void **state)
{
    struct topo_shares *shares = opened(TOPOLOGIES "domains.xml", 0, 1, "3,1");
    struct topo_taken first = take(shares, 1, "3"), second = take(shares, 1, "1"), other = { 0 };
    struct topo_place place = { 0 };

    (void)state;
    assert_int_equal(topo_shares_take(shares, "1,2", 1, &other, &place), TROUPE_OK);
    assert_string_equal(place.cuda_visible_devices, "2");
    topo_place_free(&place);
    topo_shares_give(shares, &first);
    topo_shares_give(shares, &second);
    topo_shares_give(shares, &other);
    topo_shares_close(shares);
}

static void a_list_keeps_its_order(void **state)
{
    static const char *const lists[] = { "2,0", "3,2,1,0", "1", "" };
    struct topo_shares *shares = opened(TOPOLOGIES "domains.xml", 0, 2, "0");
    struct topo_place place = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_int_equal(topo_shares_name(shares, lists[i], &place), TROUPE_OK);
        assert_string_equal(place.cuda_visible_devices, lists[i]);
        topo_place_free(&place);
    }
    topo_shares_close(shares);
}

static void refused(int result, const char *word)
{
    assert_int_equal(result, TROUPE_BAD_ARGUMENT);
    if (strstr(troupe_last_error(), word) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", troupe_last_error(), word);
}

static void what_cannot_be_is_named(void **state)
{
    struct topo_shares *shares = opened(TOPOLOGIES "domains.xml", 0, 1, NULL);
    struct topo_taken taken = { 0 };
    struct topo_place place = { 0 };

    (void)state;
    refused(topo_shares_take(shares, NULL, 5, &taken, &place), "5 GPUs");
    refused(topo_shares_take(shares, "0,9", 1, &taken, &place), "'9'");
    refused(topo_shares_name(shares, "0,4", &place), "'4'");
    refused(topo_shares_name(shares, "0,0", &place), "same GPU");
    refused(topo_shares_name(shares, "all", &place), "'all'");
    topo_shares_close(shares);
    shares = opened(TOPOLOGIES "mig.xml", 0, 1, NULL);
    refused(topo_shares_take(shares, NULL, 2, &taken, &place), "MIG");
    assert_int_equal(topo_shares_take(shares, NULL, 1, &taken, &place), TROUPE_OK);
    assert_int_equal(strncmp(place.cuda_visible_devices, "MIG-", 4), 0);
    topo_place_free(&place);
    topo_shares_give(shares, &taken);
    topo_shares_close(shares);
}

/* Whoever reads the variable on a machine without GPUs gets what was written. */
static void without_gpus_it_is_passed_on(void **state)
{
    struct topo_shares *shares = opened(TOPOLOGIES "no-gpu.xml", 0, 1, NULL);
    struct topo_taken taken = { 0 };
    struct topo_place place = { 0 };

    (void)state;
    assert_int_equal(topo_shares_take(shares, NULL, 2, &taken, &place), TROUPE_OK);
    assert_null(place.cuda_visible_devices);
    assert_string_equal(place.gpu, "none");
    assert_int_equal(taken.count, 0);
    topo_place_free(&place);
    assert_int_equal(topo_shares_name(shares, "5,nonsense", &place), TROUPE_OK);
    assert_string_equal(place.cuda_visible_devices, "5,nonsense");
    topo_place_free(&place);
    topo_shares_close(shares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_used_comes_first),
        cmocka_unit_test(each_rank_begins_with_its_own),
        cmocka_unit_test(the_mask_is_the_pool),
        cmocka_unit_test(a_list_keeps_its_order),
        cmocka_unit_test(what_cannot_be_is_named),
        cmocka_unit_test(without_gpus_it_is_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
