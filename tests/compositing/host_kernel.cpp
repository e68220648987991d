// A shared library of over.cu: the tests call `run` through ctypes.
#include "host_shim.h"

#include "over.cu"

static Launch the_launch;
static void aligned_lane() { evafast_over_aligned(the_launch); }
static void any_lane() { evafast_over_any(the_launch); }

extern "C" int size_of_launch() { return sizeof(Launch); }

// Run the last `count` of `blocks` blocks; return 1 if the lanes of a warp diverge at a barrier.
extern "C" int run_last(
    const Launch* launch, int aligned, unsigned blocks, unsigned count, int backwards
) {
    the_launch = *launch;
    gridDim = {blocks, 1, 1};
    for (unsigned block = blocks - count; block < blocks; ++block) {
        blockIdx = {block, 0, 0};
        for (unsigned warp = 0; warp < unsigned(WARPS); ++warp) {
            if (!run_warp(warp, aligned ? aligned_lane : any_lane, backwards)) return 1;
        }
    }
    return 0;
}

extern "C" int run(const Launch* launch, int aligned, unsigned blocks, int backwards) {
    return run_last(launch, aligned, blocks, blocks, backwards);
}
