/* Settings: the table of src/base/settings.h with what holds now, and where it comes from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"
#include "doctor.h"

extern char **environ;

static bool is_in_table(const char *variable)
{
    for (size_t i = 0; i < settings_count; i++) {
        size_t size = strlen(settings_table[i].name);

        if (strncmp(variable, settings_table[i].name, size) == 0 && variable[size] == '=')
            return true;
    }
    return false;
}

/* What else of Open MPI's the environment carries. */
static void look_at_others(struct doctor *doctor)
{
    for (char **variable = environ; *variable != NULL; variable++)
        if (strncmp(*variable, "OMPI_MCA_", strlen("OMPI_MCA_")) == 0 && !is_in_table(*variable))
            doctor_fact(doctor, "setting", "%s", *variable);
}

/* A misspelt variable is ignored by everybody, in silence. Those with two words behind TROUPE_ that
 * Troupe sets for its own processes are not the user's. */
static void look_at_unknown(struct doctor *doctor)
{
    static const char *const own[] = {
        "TROUPE_PLACED", "TROUPE_SUPERVISOR", "TROUPE_FRESH",
        "TROUPE_BUILD",  "TROUPE_SOURCE",     "TROUPE_LAUNCHER_ONLY"
    };

    for (char **variable = environ; *variable != NULL; variable++) {
        bool known =
            strncmp(*variable, "TROUPE_", strlen("TROUPE_")) != 0 || is_in_table(*variable);

        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            known |= strncmp(*variable, own[i], strlen(own[i])) == 0;
        if (!known)
            doctor_finding(doctor, false, "settings", "mend its name, or unset it",
                           "%.*s is no setting of Troupe's: nobody reads it",
                           (int)strcspn(*variable, "="), *variable);
    }
}

const char *doctor_setting_origin(const struct settings_row *row)
{
    if (getenv(row->name) != NULL)
        return "environment";
    return row->kind == SETTINGS_OURS ? "default" : "Troupe";
}

void doctor_look_at_settings(struct doctor *doctor)
{
    look_at_others(doctor);
    look_at_unknown(doctor);
}

void doctor_settings_print(void)
{
    int width = 0;

    for (size_t i = 0; i < settings_count; i++)
        if ((int)strlen(settings_table[i].name) > width)
            width = (int)strlen(settings_table[i].name);
    puts("\nsettings, with their origin");
    for (size_t i = 0; i < settings_count; i++) {
        const struct settings_row *row = &settings_table[i];
        const char *value = getenv(row->name);

        printf("  %-*s  %-11s  %s", width, row->name, doctor_setting_origin(row),
               value != NULL ? value : row->fallback);
        if (value != NULL)
            printf("  (default: %s)", row->fallback);
        putchar('\n');
    }
}

json_t *doctor_settings_json(void)
{
    json_t *array = json_array();

    for (size_t i = 0; i < settings_count; i++) {
        const struct settings_row *row = &settings_table[i];
        const char *value = getenv(row->name);

        json_array_append_new(array,
                              json_pack("{s:s, s:o, s:s, s:s, s:s}", "name", row->name, "value",
                                        value != NULL ? json_string(value) : json_null(), "origin",
                                        doctor_setting_origin(row), "default", row->fallback,
                                        "meaning", row->meaning));
    }
    return array;
}
