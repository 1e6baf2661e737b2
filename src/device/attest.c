/* Whether CUDA uses the GPU that the plan gave this process. The plan is known by its words in the
 * environment, which have each GPU's PCI address; what CUDA has opened, by the primary contexts
 * that are active, whoever made them: the CUDA runtime of a program uses the same ones.
 *
 * A process says one line at most, whatever it finds and however often it looks. */
#include "device/device.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "device/driver.h"

#define PLACED_GPU "TROUPE_PLACED_GPU"
#define NO_GPU "none"

/* What CUDA shows, against the plan. Devices by CUDA's numbers here, -1: none. */
struct seen {
    int planned; /* the first that the plan names */
    int opened;  /* the first that is active and not of the plan */
    bool as_planned;
    char pci[TROUPE_GPU_PCI_SIZE]; /* of the opened one */
};

const char *attest_plan(void)
{
    const char *planned = getenv(PLACED_GPU);

    return planned != NULL && strcmp(planned, NO_GPU) != 0 ? planned : NULL;
}

static bool is_first_word(void)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;

    return !atomic_flag_test_and_set(&said);
}

void attest_say_hidden(const char *planned)
{
    if (is_first_word())
        log_warning("the plan gave this rank %s, and CUDA does not show it: was CUDA initialised "
                    "before Troupe set CUDA_VISIBLE_DEVICES, or the variable changed since? Device "
                    "0 serves",
                    planned);
}

/* One device; false when CUDA does not tell, and nothing can be said then. */
static bool device_look(int number, const char *planned, struct seen *seen)
{
    const struct driver_calls *call = &driver_here.call;
    char pci[TROUPE_GPU_PCI_SIZE] = "";
    unsigned flags = 0;
    int handle, active = 0;

    if (call->device_get(&handle, number) != DRIVER_SUCCESS ||
        driver_pci_get(handle, pci) != DRIVER_SUCCESS ||
        call->device_primary_ctx_get_state(handle, &flags, &active) != DRIVER_SUCCESS)
        return false;
    if (strstr(planned, pci) != NULL) {
        seen->planned = seen->planned < 0 ? number : seen->planned;
        seen->as_planned |= active != 0;
    } else if (active != 0 && seen->opened < 0) {
        seen->opened = number;
        memcpy(seen->pci, pci, sizeof seen->pci);
    }
    return true;
}

static bool devices_look(const char *planned, struct seen *seen)
{
    int count = 0;

    *seen = (struct seen){ .planned = -1, .opened = -1 };
    if (driver_symbols_find() != TROUPE_OK ||
        driver_here.call.device_get_count(&count) != DRIVER_SUCCESS)
        return false;
    for (int i = 0; i < count; i++)
        if (!device_look(i, planned, seen))
            return false;
    return true;
}

int device_attest(void)
{
    const char *planned = attest_plan();
    struct seen seen;

    if (planned == NULL || !driver_runs() || !devices_look(planned, &seen) || seen.as_planned ||
        seen.opened < 0)
        return TROUPE_OK;
    if (seen.planned >= 0)
        fail(TROUPE_MISMATCH,
             "CUDA opened device %d, %s, and the plan gave this rank %s: the program chose another "
             "device; the planned one is device %d here",
             seen.opened, seen.pci, planned, seen.planned);
    else
        fail(TROUPE_MISMATCH,
             "CUDA opened %s, and the plan gave this rank %s: CUDA was initialised before Troupe "
             "set CUDA_VISIBLE_DEVICES, or the variable changed since; use CUDA after troupe_init "
             "or troupe_attach only",
             seen.pci, planned);
    if (is_first_word())
        log_warning("%s", troupe_last_error());
    return TROUPE_MISMATCH;
}
