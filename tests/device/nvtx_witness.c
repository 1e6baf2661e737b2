/* A profiler's part, by NVTX's own injection (NVTX_INJECTION64_PATH): prints each range as a line
 * of standard error, ">name" where it begins and "<" where it ends. */
#include <nvtx3/nvToolsExt.h>
#include <stdio.h>
#include <string.h>

static int NVTX_API begin(const char *name)
{
    fprintf(stderr, ">%s\n", name);
    return 0;
}

static int NVTX_API end(void)
{
    fputs("<\n", stderr);
    return 0;
}

__attribute__((visibility("default"))) int NVTX_API
InitializeInjectionNvtx2(NvtxGetExportTableFunc_t export_table);

int NVTX_API InitializeInjectionNvtx2(NvtxGetExportTableFunc_t export_table)
{
    const NvtxExportTableCallbacks *callbacks = export_table(NVTX_ETID_CALLBACKS);
    NvtxFunctionTable table = NULL;
    unsigned size = 0;

    if (callbacks == NULL ||
        !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &table, &size) ||
        size <= NVTX_CBID_CORE_RangePop)
        return 0;
    *table[NVTX_CBID_CORE_RangePushA] = (NvtxFunctionPointer)begin;
    *table[NVTX_CBID_CORE_RangePop] = (NvtxFunctionPointer)end;
    return 1;
}
