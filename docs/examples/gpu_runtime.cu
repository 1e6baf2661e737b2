// A kernel on every rank through the CUDA runtime, which is linked into the program as in any .cu
// file. Troupe has given each rank its GPU before CUDA starts, so device 0 is the rank's own.
//
//   troupe run -n 4 ./gpu_runtime
//
// Without a GPU the CUDA runtime says so, and the program computes on the CPU. Let troupe_init come
// before any call of CUDA's: main runs in every process before it, and CUDA does not survive the
// fork that makes the rank.
#include <cstdio>
#include <vector>

#include <cuda_runtime.h>

#include <troupe/troupe.h>

static const int n = 1000000;
static const int block = 256;

static __global__ void add(float *values, float more, int count)
{
    int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);

    if (i < count)
        values[i] += more;
}

static cudaError_t add_on_gpu(std::vector<float> &values, float more)
{
    size_t bytes = values.size() * sizeof(float);
    float *there = nullptr;
    cudaError_t error = cudaMalloc(&there, bytes);

    if (error == cudaSuccess)
        error = cudaMemcpy(there, values.data(), bytes, cudaMemcpyHostToDevice);
    if (error == cudaSuccess) {
        add<<<(n + block - 1) / block, block>>>(there, more, n);
        error = cudaGetLastError();
    }
    if (error == cudaSuccess)
        error = cudaMemcpy(values.data(), there, bytes, cudaMemcpyDeviceToHost);
    cudaFree(there);
    return error;
}

static bool no_gpu(cudaError_t error)
{
    return error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver;
}

static int runner(const void *, size_t)
{
    float more = static_cast<float>(troupe_rank());
    std::vector<float> values(n);
    int wrong = 0;

    for (int i = 0; i < n; i++)
        values[i] = static_cast<float>(i);
    cudaError_t error = add_on_gpu(values, more);
    const char *where = no_gpu(error) ? "the CPU" : "its GPU";
    if (no_gpu(error)) {
        for (float &value : values)
            value += more;
        error = cudaSuccess;
    }
    if (error != cudaSuccess)
        std::fprintf(stderr, "rank %d: %s\n", troupe_rank(), cudaGetErrorString(error));
    for (int i = 0; i < n; i++)
        wrong += values[i] != static_cast<float>(i) + more;
    std::printf("rank %d on %s: %d of %d numbers are wrong\n", troupe_rank(), where, wrong, n);
    return error == cudaSuccess && wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK) {
        std::fprintf(stderr, "%s\n", troupe_last_error());
        return 1;
    }
    std::vector<troupe_process> crew(static_cast<size_t>(troupe_world_size()));
    for (size_t i = 0; i < crew.size(); i++) {
        troupe_process_options there = {};

        there.where = TROUPE_ON_RANK;
        there.place = static_cast<int>(i);
        failed += troupe_process_start(runner, nullptr, 0, &there, &crew[i]) != TROUPE_OK;
    }
    for (troupe_process process : crew) {
        troupe_process_status status = {};

        troupe_process_join(process, TROUPE_FOREVER);
        troupe_process_status_get(process, &status);
        failed += status.exit_code != 0;
    }
    return troupe_finalize(failed == 0 ? 0 : 1);
}
