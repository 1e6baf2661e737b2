/* The roll for people and for machines. */
#include "probe.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { SCHEMA = 1 };
static const double giga = 1e9;

/* Where a rank measured; "" when it did not come so far. */
static const char *device_name(const struct probe_row *row)
{
    if (row->presence.on_gpu)
        return "gpu";
    return row->is_measured ? "cpu" : "";
}

/* ---- the table ------------------------------------------------------------------------------ */

static const char *known(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

static void health_write(const struct nvml_health *health, char *text, size_t size)
{
    int used = 0;

    text[0] = '\0';
    if (health->has_temperature)
        used = snprintf(text, size, ", %d C", health->temperature_c);
    if (health->has_ecc)
        snprintf(text + used, size - (size_t)used, ", %llu ECC errors",
                 (unsigned long long)health->ecc_uncorrected);
}

static void row_print(const struct probe_row *row)
{
    const struct probe_presence *presence = &row->presence;
    char rate[32] = "-", health[64] = "", pid[32] = "-";

    if (row->is_present)
        snprintf(pid, sizeof pid, "%d", presence->pid);
    if (row->is_measured) {
        snprintf(rate, sizeof rate, "%.1f", row->figure.bytes_each_s / giga);
        health_write(&row->figure.health, health, sizeof health);
    }
    printf("%4d  %-16s  %-8s  %-10s  %-5s  %8s  %-8s  ", row->rank, known(presence->host), pid,
           known(presence->cores), known(presence->numa), rate,
           row->is_measured && row->figure.wrong == 0 ? "yes" : "NO");
    if (presence->on_gpu)
        printf("%s %s %s%s", presence->gpu, presence->pci, presence->uuid, health);
    else
        printf("%s", row->is_measured ? "CPU" : "-");
    if (row->sharers > 1)
        printf(", shared by %d", row->sharers);
    if (row->is_outlier)
        printf("  < slow");
    if (row->error[0] != '\0')
        printf("  < %s", row->error);
    putchar('\n');
}

void probe_table_print(const struct probe_row *rows, int count)
{
    int verified = 0, gpus = 0, cpus = 0, slow = 0;

    printf("rank  host              pid       cores       NUMA       GB/s  verified  device\n");
    for (int i = 0; i < count; i++) {
        row_print(&rows[i]);
        verified += rows[i].is_measured && rows[i].error[0] == '\0';
        gpus += rows[i].presence.on_gpu;
        cpus += rows[i].is_measured && !rows[i].presence.on_gpu;
        slow += rows[i].is_outlier;
    }
    printf("%d of %d ranks verified, %d on a GPU, %d on the CPU", verified, count, gpus, cpus);
    if (slow > 0)
        printf("; %d slow: 20 %% or more below the median of their kind", slow);
    putchar('\n');
}

/* ---- the object ----------------------------------------------------------------------------- */

/* Text that is not known is null. */
static json_t *text_json(const char *text)
{
    return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *number_json(bool is_known, uint64_t number)
{
    return is_known ? json_integer((json_int_t)number) : json_null();
}

static json_t *gpu_json(const struct probe_row *row)
{
    const struct nvml_health *health = &row->figure.health;

    if (!row->presence.on_gpu)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name", text_json(row->presence.gpu), "pci",
                     text_json(row->presence.pci), "uuid", text_json(row->presence.uuid),
                     "temperature_c",
                     number_json(health->has_temperature, (uint64_t)health->temperature_c),
                     "ecc_corrected", number_json(health->has_ecc, health->ecc_corrected),
                     "ecc_uncorrected", number_json(health->has_ecc, health->ecc_uncorrected));
}

static json_t *row_json(const struct probe_row *row)
{
    const struct probe_presence *presence = &row->presence;

    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "rank",
                     row->rank, "host", text_json(presence->host), "node",
                     number_json(row->is_present, (uint64_t)presence->node), "pid",
                     number_json(row->is_present, (uint64_t)presence->pid), "cores",
                     text_json(presence->cores), "numa", text_json(presence->numa), "device",
                     text_json(device_name(row)), "gpu", gpu_json(row), "sharers",
                     number_json(row->sharers > 0, (uint64_t)row->sharers), "gb_each_s",
                     row->is_measured ? json_real(row->figure.bytes_each_s / giga) : json_null(),
                     "verified", row->is_measured && row->figure.wrong == 0, "slow",
                     row->is_outlier, "error", text_json(row->error));
}

bool probe_json_print(const struct probe_row *rows, int count)
{
    json_t *ranks = json_array(), *whole;
    int failed = 0;

    for (int i = 0; i < count; i++)
        failed |= json_array_append_new(ranks, row_json(&rows[i]));
    whole = json_pack("{s:i, s:s, s:b, s:o}", "schema", SCHEMA, "troupe", troupe_version(), "ok",
                      probe_is_ok(rows, count), "ranks", ranks);
    failed |= whole == NULL;
    if (failed == 0) {
        json_dumpf(whole, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    json_decref(whole);
    return failed == 0;
}
