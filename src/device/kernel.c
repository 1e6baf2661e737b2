/* Modules, functions, launches. */
#include "device/driver.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define LOG_BYTES 256
#define ATTRIBUTE_DYNAMIC_SHARED 8 /* of a function: the dynamic shared memory it may have */
#define SHARED_WITHOUT_ASKING 49152

enum { JIT_ERROR_LOG = 5, JIT_ERROR_LOG_SIZE = 6, JIT_OPTIONS = 2 };

/* Fatbins and cubins begin with these; all else is PTX, a text. */
static const unsigned char fatbin_magic[] = { 0x50, 0xed, 0x55, 0xba };
static const unsigned char cubin_magic[] = { 0x7f, 'E', 'L', 'F' };

static bool is_text(const void *image, size_t bytes)
{
    return bytes < sizeof fatbin_magic || (memcmp(image, fatbin_magic, sizeof fatbin_magic) != 0 &&
                                           memcmp(image, cubin_magic, sizeof cubin_magic) != 0);
}

/* The compiler's log, cut to its first line. */
static const char *first_line(char *log)
{
    log[strcspn(log, "\r\n")] = '\0';
    return *log != '\0' ? log : "no log";
}

static int image_load(struct scope *scope, const void *image, size_t bytes, void **module)
{
    char log[LOG_BYTES] = "";
    int names[JIT_OPTIONS] = { JIT_ERROR_LOG, JIT_ERROR_LOG_SIZE };
    void *values[JIT_OPTIONS] = { log, (void *)(uintptr_t)(sizeof log - 1) };
    int code = scope->call->module_load_data(module, image, JIT_OPTIONS, names, values);

    return scope_close(scope, code, "cuModuleLoadDataEx", "%zu bytes of code for device %d (%s)",
                       bytes, scope->device, first_line(log));
}

int troupe_gpu_module_load(troupe_gpu gpu, const void *image, size_t bytes,
                           troupe_gpu_module *module)
{
    struct scope scope;
    char *text = NULL;
    void *loaded = NULL;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (image == NULL || bytes == 0)
        return scope_end(&scope, fail(TROUPE_BAD_ARGUMENT,
                                      "%s: no code; give a fatbin, a cubin or PTX", __func__));
    if (is_text(image, bytes)) {
        text = strndup(image, bytes);
        if (text == NULL)
            return scope_end(&scope, fail(TROUPE_NO_MEMORY, "%s: no memory for %zu bytes of PTX",
                                          __func__, bytes));
    }
    result = image_load(&scope, text != NULL ? text : image, bytes, &loaded);
    free(text);
    if (result == TROUPE_OK)
        module->id = (uintptr_t)loaded;
    return result;
}

int troupe_gpu_module_unload(troupe_gpu gpu, troupe_gpu_module module)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    return scope_close(&scope, scope.call->module_unload((void *)(uintptr_t)module.id),
                       "cuModuleUnload", "a module of device %d", scope.device);
}

int troupe_gpu_function_get(troupe_gpu gpu, troupe_gpu_module module, const char *name,
                            troupe_gpu_function *function)
{
    struct scope scope;
    void *found = NULL;
    int code, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    code = scope.call->module_get_function(&found, (void *)(uintptr_t)module.id, name);
    if (code == DRIVER_NOT_FOUND)
        return scope_end(&scope, fail(TROUPE_NOT_FOUND,
                                      "%s: the module has no kernel %s; declare it extern \"C\" "
                                      "__global__, or give the name that cuobjdump -symbols shows",
                                      __func__, name));
    result = scope_close(&scope, code, "cuModuleGetFunction", "kernel %s on device %d", name,
                         scope.device);
    if (result == TROUPE_OK)
        function->id = (uintptr_t)found;
    return result;
}

static unsigned at_least_one(uint32_t size)
{
    return size > 0 ? size : 1;
}

/* The arguments are CUDA's to read only, which its type does not say. */
static int kernel_start(const struct scope *scope, void *function, const troupe_gpu_shape *shape,
                        void *const *arguments)
{
    return scope->call->launch_kernel(
        function, at_least_one(shape->grid[0]), at_least_one(shape->grid[1]),
        at_least_one(shape->grid[2]), at_least_one(shape->block[0]), at_least_one(shape->block[1]),
        at_least_one(shape->block[2]), shape->shared_bytes, (void *)(uintptr_t)shape->stream.id,
        (void **)(uintptr_t)arguments, NULL);
}

int troupe_gpu_launch(troupe_gpu gpu, troupe_gpu_function function, const troupe_gpu_shape *shape,
                      void *const *arguments)
{
    struct scope scope;
    void *kernel = (void *)(uintptr_t)function.id;
    int code = DRIVER_SUCCESS, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (shape->shared_bytes > SHARED_WITHOUT_ASKING)
        code = scope.call->func_set_attribute(kernel, ATTRIBUTE_DYNAMIC_SHARED,
                                              (int)shape->shared_bytes);
    if (code != DRIVER_SUCCESS)
        return scope_close(&scope, code, "cuFuncSetAttribute",
                           "%u bytes of shared memory for a block on device %d",
                           shape->shared_bytes, scope.device);
    return scope_close(&scope, kernel_start(&scope, kernel, shape, arguments), "cuLaunchKernel",
                       "grid %ux%ux%u of blocks %ux%ux%u, %u bytes shared, on device %d",
                       shape->grid[0], shape->grid[1], shape->grid[2], shape->block[0],
                       shape->block[1], shape->block[2], shape->shared_bytes, scope.device);
}
