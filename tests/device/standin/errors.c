/* CUDA's names for the errors that the stand-in and its tests use. */
#include "inside.h"

struct error {
    int code;
    const char *name, *text;
};

static const struct error errors[] = {
    { OK, "CUDA_SUCCESS", "stand-in: no error" },
    { INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "stand-in: invalid argument" },
    { OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "stand-in: out of memory" },
    { NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "stand-in: initialization error" },
    { NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "stand-in: no CUDA-capable device is detected" },
    { INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "stand-in: invalid device ordinal" },
    { INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "stand-in: device kernel image is invalid" },
    { INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "stand-in: invalid device context" },
    { INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "stand-in: a PTX JIT compilation failed" },
    { INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "stand-in: invalid resource handle" },
    { NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "stand-in: named symbol not found" },
    { LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "stand-in: unspecified launch failure" },
    { NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "stand-in: operation not supported" },
    { 999, "CUDA_ERROR_UNKNOWN", "stand-in: unknown error" },
};

static const struct error *error_find(int code)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code)
            return &errors[i];
    return NULL;
}

int cuGetErrorName(int code, const char **name)
{
    const struct error *error = error_find(code);
    int failed = standin_turn(__func__);

    if (failed != OK || error == NULL)
        return failed != OK ? failed : INVALID_VALUE;
    *name = error->name;
    return OK;
}

int cuGetErrorString(int code, const char **text)
{
    const struct error *error = error_find(code);
    int failed = standin_turn(__func__);

    if (failed != OK || error == NULL)
        return failed != OK ? failed : INVALID_VALUE;
    *text = error->text;
    return OK;
}
