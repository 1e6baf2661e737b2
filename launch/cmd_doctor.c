/* `troupe doctor`: what is here, what is wrong with it, what to do. */
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "doctor.h"

enum { OPTION_JSON = CMD_LONG_ONLY, SCHEMA = 1, NAME_WIDTH = 10 };

static void text_print(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->facts_count; i++)
        printf("%-*s %s\n", NAME_WIDTH, doctor->facts[i].name, doctor->facts[i].value);
    doctor_settings_print();
    for (size_t i = 0; i < doctor->findings_count; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];

        printf("\n%s: %s: %s\n  -> %s\n", finding->wrong ? "WRONG" : "note", finding->topic,
               finding->what, finding->remedy);
    }
    puts(doctor_anything_wrong(doctor) ? "\nSomething is wrong." : "\nNothing is wrong.");
}

static void json_print(const struct doctor *doctor)
{
    json_t *facts = json_array(), *findings = json_array(), *json;

    for (size_t i = 0; i < doctor->facts_count; i++)
        json_array_append_new(facts, json_pack("{s:s, s:s}", "name", doctor->facts[i].name, "value",
                                               doctor->facts[i].value));
    for (size_t i = 0; i < doctor->findings_count; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];

        json_array_append_new(findings, json_pack("{s:b, s:s, s:s, s:s}", "wrong", finding->wrong,
                                                  "topic", finding->topic, "what", finding->what,
                                                  "remedy", finding->remedy));
    }
    json = json_pack("{s:i, s:b, s:o, s:o, s:o}", "schema", SCHEMA, "ok",
                     !doctor_anything_wrong(doctor), "facts", facts, "settings",
                     doctor_settings_json(), "findings", findings);
    json_dumpf(json, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(json);
}

static int doctor(int argc, char **argv)
{
    struct doctor found = { 0 };
    bool json = false;
    const char *value;
    int letter, status;

    while ((letter = cmd_option_next(&cmd_doctor, argc, argv, &value)) != CMD_OPTION_END) {
        if (letter == CMD_OPTION_BAD)
            return CMD_USAGE;
        json = true;
    }
    if (argc > optind)
        return cmd_usage_error(&cmd_doctor, "%s: takes no words; write troupe doctor",
                               argv[optind]);
    doctor_look(&found);
    if (json)
        json_print(&found);
    else
        text_print(&found);
    status = doctor_anything_wrong(&found) || found.broken ? CMD_FAILED : CMD_OK;
    doctor_free(&found);
    return status;
}

static const struct cmd_option options_table[] = {
    { OPTION_JSON, "json", NULL, "One JSON object on standard output" },
    { 0, NULL, NULL, NULL },
};

const struct cmd cmd_doctor = {
    .name = "doctor",
    .usage = "doctor [--json]",
    .summary = "Tells what is here, what is wrong with it, what to do",
    .text = "The exit status is 1 when anything is wrong.\n",
    .options = options_table,
    .run = doctor,
};
