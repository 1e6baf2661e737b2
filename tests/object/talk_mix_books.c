/* The books of the mix, at its end. */
#include "talk_mix_crew.h"
#include "world/harness.h"

#include <stdbool.h>

/* How many of a role's acknowledged messages nobody noted; none came twice or unsent. Of a leased
 * one somebody was saying done when it was killed. */
static int missing_count(const struct tally *tally, bool leased)
{
    int accepted = atomic_load(&tally->accepted), missing = 0;

    for (int i = 0; i < accepted + 3 && i < PUTS_MOST; i++) {
        unsigned char seen = atomic_load(&tally->seen[i]);

        assert_in_range(seen, 0, 1);
        if (i < accepted && seen == 0) {
            assert_true(!leased || atomic_load(&tally->begun[i]) == 1);
            missing++;
        }
    }
    return missing;
}

void books_check(const struct crew *crew, int lives)
{
    int missing[ROLES] = { 0 };
    long accepted[ROLES] = { 0 };

    for (int life = 1; life < lives; life++) {
        enum role role = crew->life_roles[life];

        if (role == TALKER || role == LEASER)
            missing[role] += missing_count(&crew->mix->tallies[life], role == TALKER);
        accepted[role] += atomic_load(&crew->mix->tallies[life].accepted);
    }
    assert_in_range(missing[TALKER], 0, atomic_load(&crew->mix->killed[LEASER]));
    assert_in_range(missing[LEASER], 0, atomic_load(&crew->mix->killed[GETTER]));
    print_message("%ld tasks, %ld results, in doubt %d and %d\n", accepted[TALKER],
                  accepted[LEASER], missing[TALKER], missing[LEASER]);
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

void lags_tell(struct crew *crew, int kills)
{
    const struct mix *mix = crew->mix;
    size_t n = crew->lag_count;
    int below = 0;

    for (int i = 0; i < kills; i++)
        below += crew->longest[i] < 1000000000u;
    qsort(crew->lags, n, sizeof *crew->lags, compare);
    qsort(crew->longest, (size_t)kills, sizeof *crew->longest, compare);
    print_message("seen: %d dead holders, %d leases back, %d ends of file, %d barriers broken\n",
                  atomic_load(&mix->owners_died), atomic_load(&mix->leases_back),
                  atomic_load(&mix->ends_of_file), atomic_load(&mix->generation));
    print_message("a survivor went on after ms: median %.2f, p99 %.2f, longest %.2f (%zu)\n",
                  (double)crew->lags[n / 2] / 1e6, (double)crew->lags[n * 99 / 100] / 1e6,
                  (double)crew->lags[n - 1] / 1e6, n);
    print_message("the last of a kill's after ms: median %.2f, p99 %.2f; below 1 s %d of %d\n",
                  (double)crew->longest[kills / 2] / 1e6,
                  (double)crew->longest[kills * 99 / 100] / 1e6, below, kills);
    print_message("longest of talkers %.2f, answerers %.2f, leasers %.2f, getters %.2f, "
                  "meeters %.2f\n",
                  (double)crew->longest_of[TALKER] / 1e6, (double)crew->longest_of[ANSWERER] / 1e6,
                  (double)crew->longest_of[LEASER] / 1e6, (double)crew->longest_of[GETTER] / 1e6,
                  (double)crew->longest_of[MEETER] / 1e6);
}

void deaths_seen(const struct mix *mix)
{
    assert_true(atomic_load(&mix->owners_died) > 0);
    assert_true(atomic_load(&mix->leases_back) > 0);
    assert_true(atomic_load(&mix->ends_of_file) > 0);
    assert_true(atomic_load(&mix->generation) > 0);
}
